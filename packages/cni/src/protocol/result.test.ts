import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CniError } from './cni-error.js'
import { readResult } from './read-result.js'
import { errorResponse, resultResponse } from './response.js'
import { formatResult, ipv4First, type CniResult } from './result.js'
import { CNI_VERSIONS, bestVersion } from './version.js'

const whole: CniResult = {
  interfaces: [
    { name: 'cni0', mac: '00:11:22:33:44:55' },
    { name: 'eth0', mac: '99:88:77:66:55:44', mtu: 1450, sandbox: '/var/run/netns/blue', socketPath: '/run/v', pciID: '0000:00:1f.6' },
  ],
  ips: [
    { address: '2001:db8::5/64', gateway: '2001:db8::1', interface: 1 },
    { address: '10.1.0.5/16', gateway: '10.1.0.1', interface: 1 },
  ],
  routes: [{ dst: '0.0.0.0/0' }, { dst: '10.9.0.0/16', gw: '10.1.0.9', mtu: 1400, advmss: 1360, priority: 7, table: 100, scope: 253 }],
  dns: { nameservers: ['10.1.0.1'], domain: 'a', search: ['b'], options: ['c'] },
}

/** What each version has, field by field, as its text says; written apart from the code. */
const HAS: Record<string, { interfaces: string[]; ips: string[]; routes: string[] }> = {
  '0.3.1': { interfaces: ['name', 'mac', 'sandbox'], ips: ['version', 'address', 'gateway', 'interface'], routes: ['dst', 'gw'] },
  '0.4.0': { interfaces: ['name', 'mac', 'sandbox'], ips: ['version', 'address', 'gateway', 'interface'], routes: ['dst', 'gw'] },
  '1.0.0': { interfaces: ['name', 'mac', 'sandbox'], ips: ['address', 'gateway', 'interface'], routes: ['dst', 'gw'] },
  '1.1.0': {
    interfaces: ['name', 'mac', 'mtu', 'sandbox', 'socketPath', 'pciID'],
    ips: ['address', 'gateway', 'interface'],
    routes: ['dst', 'gw', 'mtu', 'advmss', 'priority', 'table', 'scope'],
  },
}

function only(value: object, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(value).filter(([key]) => keys.includes(key)))
}

describe.each(CNI_VERSIONS)('a result of %s', (version) => {
  const has = HAS[version]

  it('has exactly the fields of the version', () => {
    const written = formatResult(whole, version) as { interfaces: object[]; ips: object[]; routes: object[]; cniVersion: string }
    expect(written.cniVersion).toBe(version)
    expect(Object.keys(written.interfaces[1]).toSorted()).toEqual(has.interfaces.toSorted())
    expect(Object.keys(written.ips[0]).toSorted()).toEqual(has.ips.toSorted())
    expect(Object.keys(written.routes[1]).toSorted()).toEqual(has.routes.toSorted())
    if (has.ips.includes('version')) expect(written.ips).toMatchObject([{ version: '6' }, { version: '4' }])
  })

  it('is read back as what the version can say', () => {
    const v4 = fc.record({ address: fc.ipV4().map((a) => `${a}/24`) }, { requiredKeys: ['address'] })
    const v6 = fc.record({ address: fc.constantFrom('2001:db8::1/64', 'fd00::2/128', '::/0') })
    const result = fc.record({
      interfaces: fc.array(
        fc.record(
          {
            name: fc.constantFrom('eth0', 'veth1'),
            mac: fc.constant('02:00:00:00:00:01'),
            mtu: fc.nat(65_535),
            sandbox: fc.constant('/n'),
            socketPath: fc.constant('/s'),
          },
          { requiredKeys: ['name'] },
        ),
      ),
      ips: fc.array(fc.oneof(v4, v6)),
      routes: fc.array(
        fc.record(
          { dst: fc.constantFrom('0.0.0.0/0', '10.0.0.0/8'), gw: fc.ipV4(), mtu: fc.nat(9000), priority: fc.nat() },
          { requiredKeys: ['dst'] },
        ),
      ),
      dns: fc.constantFrom({}, { nameservers: ['1.1.1.1'] }),
    })
    fc.assert(
      fc.property(result, (value) => {
        const back = readResult(JSON.parse(JSON.stringify(formatResult(value, version))), version, 6, 'result')
        expect(back).toEqual({
          interfaces: value.interfaces.map((one) => only(one, has.interfaces)),
          ips: value.ips,
          routes: value.routes.map((one) => only(one, has.routes)),
          dns: value.dns,
        })
      }),
      { numRuns: 100 },
    )
  })
})

describe('a result', () => {
  it('is answered with IPv4 first, and the order within a family stays', () => {
    expect(ipv4First(whole).ips.map(({ address }) => address)).toEqual(['10.1.0.5/16', '2001:db8::5/64'])
    const answer = JSON.parse(resultResponse(whole, '1.0.0').output) as { ips: { address: string }[] }
    expect(answer.ips[0].address).toBe('10.1.0.5/16')
  })

  it('has empty lists where there is nothing', () => {
    expect(formatResult({ interfaces: [], ips: [], routes: [], dns: {} }, '1.1.0')).toEqual({
      cniVersion: '1.1.0',
      interfaces: [],
      ips: [],
      routes: [],
      dns: {},
    })
    expect(readResult({ interfaces: null }, '1.0.0', 6, 'r')).toEqual({ interfaces: [], ips: [], routes: [], dns: {} })
  })

  it.each([
    ["a family that is not the address's", { ips: [{ version: '6', address: '10.0.0.1/8' }] }, '0.4.0', /r\.ips\[0\]\.version is "6"/],
    ['a gateway of the other family', { ips: [{ address: '10.0.0.1/8', gateway: '::1' }] }, '1.0.0', /r\.ips\[0\]\.gateway/],
    ['a prefix that is too long', { ips: [{ address: '10.0.0.1/33' }] }, '1.0.0', /r\.ips\[0\]\.address/],
    ['a route without a prefix', { routes: [{ dst: 'default' }] }, '1.0.0', /r\.routes\[0\]\.dst/],
    ['an interface without a name', { interfaces: [{}] }, '1.0.0', /r\.interfaces\[0\]\.name is missing/],
    ['an MTU that is a text', { interfaces: [{ name: 'a', mtu: '1' }] }, '1.1.0', /r\.interfaces\[0\]\.mtu is "1"/],
  ] as const)('is refused with %s', (_name, value, version, message) => {
    expect(() => readResult(value, version, 6, 'r')).toThrow(
      expect.objectContaining({ name: 'CniError', code: 6, message: expect.stringMatching(message) as string }),
    )
  })

  it('may have what a newer version would read, in fields that an older one ignores', () => {
    expect(readResult({ interfaces: [{ name: 'a', mtu: 'x' }] }, '1.0.0', 6, 'r').interfaces).toEqual([{ name: 'a' }])
  })
})

describe('an error', () => {
  it('is written with the version of the request, code, message and details', () => {
    expect(errorResponse(new CniError(7, 'a', 'b'), '0.3.1')).toEqual({
      exitCode: 1,
      output: '{"cniVersion":"0.3.1","code":7,"msg":"a","details":"b"}',
    })
    expect(JSON.parse(errorResponse(new TypeError('x'), '1.0.0').output)).toEqual({ cniVersion: '1.0.0', code: 999, msg: 'x' })
  })
})

describe('versions', () => {
  it('meet at the newest that both speak', () => {
    expect(bestVersion(['0.1.0', '0.4.0', '1.0.0'])).toBe('1.0.0')
    expect(bestVersion(['0.3.1', '0.4.0', '1.0.0'], '0.4.0')).toBe('0.4.0')
    expect(bestVersion(['0.1.0', '9.0.0'])).toBeUndefined()
  })
})
