import { IpAddress } from '@heddle/wire'
import { CniError } from '../protocol/cni-error.js'
import { CNI_CODES } from '../protocol/codes.js'
import type { JsonObject } from '../protocol/json.js'

/**
 * Addresses that a runtime asks for: the capability `ips`, by convention `args.cni.ips`, or `IP` of `CNI_ARGS`; the first of these that is there.
 *
 * @throws CniError 7, or 4 for `CNI_ARGS`, when one is no address
 */
export function wantedAddresses(
  runtimeConfig: JsonObject,
  conventions: JsonObject,
  args: Readonly<Record<string, string>>,
): readonly IpAddress[] {
  for (const [place, list] of [
    ['runtimeConfig.ips', runtimeConfig['ips']],
    ['args.cni.ips', conventions['ips']],
  ] as const) {
    if (list === undefined || list === null) continue
    if (!Array.isArray(list)) throw new CniError(CNI_CODES.invalidConfiguration, `${place} is no list of addresses`)
    if (list.length > 0) return (list as unknown[]).map((value) => parsed(value, place, CNI_CODES.invalidConfiguration))
  }
  const texts = (args['IP'] ?? '').split(',').filter(Boolean)
  return texts.map((text) => parsed(text, 'CNI_ARGS: IP', CNI_CODES.invalidEnvironment))
}

/** An address, alone or with the length of its prefix. */
function parsed(value: unknown, place: string, code: number): IpAddress {
  const address = typeof value === 'string' ? IpAddress.tryParse(value.replace(/\/\d+$/, '')) : undefined
  if (address === undefined) throw new CniError(code, `${place} has ${JSON.stringify(value)}, which is no address`)
  return address
}
