import { IpAddress, IpPrefix } from '@heddle/wire'
import { readDns } from './dns.js'
import { FieldReader } from './json.js'
import type { CniInterface, CniIp, CniResult, CniRoute } from './result.js'
import { isAtLeast, type CniVersion } from './version.js'

/**
 * Reads a result that a version wrote: a `prevResult`, or what a delegated plugin answered.
 *
 * @param code of the errors: 7 for a `prevResult`, 6 for an answer
 * @throws CniError that names the field, what was found and what is allowed
 */
export function readResult(value: unknown, version: CniVersion, code: number, path: string): CniResult {
  const fields = FieldReader.of(value, code, path)
  const interfaces = fields.objects('interfaces').map((one) => readInterface(one, version))
  const ips = fields.objects('ips').map((one) => readIp(one, version, interfaces.length))
  const routes = fields.objects('routes').map((one) => readRoute(one, version))
  return { interfaces, ips, routes, dns: readDns(fields.object('dns')) }
}

function readInterface(fields: FieldReader, version: CniVersion): CniInterface {
  const name = fields.text('name') ?? fields.fail('name', 'the name of a device')
  const texts = isAtLeast(version, '1.1.0') ? (['mac', 'sandbox', 'socketPath', 'pciID'] as const) : (['mac', 'sandbox'] as const)
  const mtu = isAtLeast(version, '1.1.0') ? fields.number('mtu') : undefined
  const found = texts.map((key) => [key, fields.text(key)] as const).filter(([, text]) => text !== undefined)
  return { name, ...Object.fromEntries(found), ...(mtu === undefined ? {} : { mtu }) }
}

function readIp(fields: FieldReader, version: CniVersion, interfaces: number): CniIp {
  const address = fields.text('address') ?? fields.fail('address', 'an address with the length of its prefix')
  const parsed = withLength(address)
  if (parsed === undefined) fields.fail('address', 'an address with the length of its prefix, such as 10.1.0.5/16')
  const family = String(parsed.family)
  if (!isAtLeast(version, '1.0.0') && (fields.text('version') ?? family) !== family) {
    fields.fail('version', `"${family}", as the address is ${address}`)
  }
  const gateway = fields.text('gateway')
  if (gateway !== undefined && IpAddress.tryParse(gateway)?.family !== parsed.family) fields.fail('gateway', `an IPv${family} address`)
  const index = fields.number('interface')
  if (index !== undefined && index >= interfaces) fields.fail('interface', `an index of the ${interfaces} interfaces`)
  return { address, ...(gateway === undefined ? {} : { gateway }), ...(index === undefined ? {} : { interface: index }) }
}

function readRoute(fields: FieldReader, version: CniVersion): CniRoute {
  const dst = fields.text('dst') ?? fields.fail('dst', 'a prefix')
  const prefix = withLength(dst)
  if (prefix === undefined) fields.fail('dst', 'a prefix, such as 10.0.0.0/8')
  const gw = fields.text('gw')
  if (gw !== undefined && IpAddress.tryParse(gw)?.family !== prefix.family) fields.fail('gw', `an IPv${prefix.family} address`)
  const names = isAtLeast(version, '1.1.0') ? (['mtu', 'advmss', 'priority', 'table', 'scope'] as const) : []
  const numbers = names.map((name) => [name, fields.number(name)] as const).filter(([, value]) => value !== undefined)
  return { dst, ...(gw === undefined ? {} : { gw }), ...Object.fromEntries(numbers) }
}

/** The prefix of an address that is written with its length, host bits and all. */
function withLength(text: string): IpPrefix | undefined {
  const [, address = '', length = ''] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? []
  const parsed = IpAddress.tryParse(address)
  return parsed === undefined || Number(length) > parsed.bits ? undefined : IpPrefix.of(parsed, Number(length))
}
