import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { IPV4_UNICAST, VPNV4_UNICAST, compilePolicy, type Policy } from '@heddle/bgp'
import { IpPrefix, RouteDistinguisher } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bgpSchema } from '../schema/bgp-schema.js'
import { ConfigError } from './config-error.js'
import { parseSpeaker } from './load.js'
import { resolveSpeaker } from './resolve.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-config-'))
  writeFileSync(join(folder, 'peer.key'), 'from a file\nnot this\n')
})
afterAll(() => rmSync(folder, { recursive: true }))

const speaker = (bgp: string): string => `node: { name: rr, address: 192.0.2.1 }\nbgp:\n  as: 65000\n${bgp}`
const resolved = (bgp: string) => resolveSpeaker(parseSpeaker(join(folder, 'speaker.yaml'), speaker(bgp)))
const neighbor = (bgp: string) => resolved(`  listen: [{ address: 192.0.2.1 }]\n${bgp}`).bgp.neighbors[0]
const problems = (bgp: string) => {
  try {
    resolved(bgp)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('the section bgp', () => {
  it('names peers on a link by address and device, or by the device alone, and has no address of its own for them', () => {
    const peers = (address: string) => neighbor(`  neighbors:\n    - { address: '${address}', as: 65001, families: [ipv4-unicast] }\n`)
    expect(peers('%eth0')).toEqual({ address: '%eth0', as: 65001, families: ['ipv4-unicast'], holdTime: 90 })
    expect(peers('fe80::2%eth0')).not.toHaveProperty('localAddress')
    const path = (section: string) => problems(`  neighbors:\n    - { as: 65001, ${section} }\n`)[0]?.path
    expect(path("address: '%eth0', localAddress: 192.0.2.1")).toBe('bgp.neighbors[0].localAddress')
    expect(path("address: '%'")).toBe('bgp.neighbors[0].address')
  })

  it('gives a VRF an AS of its own', () => {
    const vrfs = '  vrfs: [{ name: red, rd: 65000:1, label: 100, as: 65001 }]\n'
    expect(resolved(vrfs).bgp.vrfs).toEqual([{ name: 'red', rd: '65000:1', label: 100, as: 65001, importTargets: [], exportTargets: [] }])
  })

  it('hands every key of a neighbor to the speaker as it stands', () => {
    const keys = `port: 1179, holdTime: 30, connectRetry: 2, advertisementInterval: 5, delayOpen: 1, nextHop: self, allowAsIn: 2,
      asOverride: true, privateAs: replace, enforceFirstAs: true, flowspecValidation: false, routeServerClient: true, gracefulShutdown: true, role: provider,
      roleStrict: true, addPath: both, multihop: 3, ttlSecurity: 2, sendHoldTime: 600, collisionDetectEstablished: true, passive: true,
      description: a customer, gracefulRestart: { restartTime: 60, longLived: 3600, notification: true },
      maxPrefixes: { ipv4-unicast: { limit: 100, warning: 50, warnOnly: true, restart: 30 } }, limits: { asPath: 64, attributes: 4096 }`
    expect(neighbor(`  neighbors:\n    - { address: 192.0.2.2, as: 65001, families: [ipv4-unicast], ${keys} }\n`)).toEqual({
      address: '192.0.2.2',
      localAddress: '192.0.2.1',
      as: 65001,
      families: ['ipv4-unicast'],
      port: 1179,
      holdTime: 30,
      connectRetry: 2,
      advertisementInterval: 5,
      delayOpen: 1,
      nextHop: 'self',
      allowAsIn: 2,
      asOverride: true,
      privateAs: 'replace',
      enforceFirstAs: true,
      flowspecValidation: false,
      routeServerClient: true,
      gracefulShutdown: true,
      role: 'provider',
      roleStrict: true,
      addPath: 'both',
      multihop: 3,
      ttlSecurity: 2,
      sendHoldTime: 600,
      collisionDetectEstablished: true,
      passive: true,
      description: 'a customer',
      gracefulRestart: { restartTime: 60, longLived: 3600, notification: true },
      maxPrefixes: { 'ipv4-unicast': { limit: 100, warning: 50, warnOnly: true, restart: 30 } },
      limits: { asPath: 64, attributes: 4096 },
    })
  })

  it('hands on what the speaker as a whole is', () => {
    const { bgp } = resolved(`  clusterId: 192.0.2.99
  restartTime: 60
  gracefulRestart: { staleTime: 100, selectionDeferral: 50, longLived: 10 }
  confederation: { id: 64500, members: [65001, 65002] }
  decision: { multipath: 4, alwaysCompareMed: true, multipathRelax: true }
  listen: [{ address: 192.0.2.1 }]
  dynamicNeighbors: [{ prefix: 198.51.100.0/24, as: 65000, limit: 10, families: [vpnv4-unicast] }]
`)
    expect(bgp).toMatchObject({
      clusterId: '192.0.2.99',
      gracefulRestart: { restartTime: 60, staleTime: 100, selectionDeferral: 50, longLived: 10 },
      confederation: { id: 64500, members: [65001, 65002] },
      decision: { multipath: 4, alwaysCompareMed: true, multipathRelax: true },
      dynamicNeighbors: [{ prefix: '198.51.100.0/24', as: 65000, limit: 10, localAddress: '192.0.2.1' }],
    })
  })

  it('gives a neighbor what its group has, and prefers its own', () => {
    const text = `  groups: { clients: { as: 65000, routeReflectorClient: true, holdTime: 30 } }
  neighbors:
    - { address: 192.0.2.2, group: clients }
    - { address: 192.0.2.3, group: clients, holdTime: 9 }
`
    expect(resolved(text).bgp.neighbors).toMatchObject([
      { as: 65000, routeReflectorClient: true, holdTime: 30 },
      { as: 65000, routeReflectorClient: true, holdTime: 9 },
    ])
  })

  it('takes keys from the file, from a file and from the environment', () => {
    process.env['HEDDLE_TEST_KEY'] = 'from the environment'
    try {
      const [first, second, third] = resolved(`  neighbors:
    - { address: 192.0.2.2, as: 65000, authentication: { kind: tcp-md5, keyFile: peer.key } }
    - { address: 192.0.2.3, as: 65000, authentication: { kind: tcp-md5, keyEnv: HEDDLE_TEST_KEY } }
    - address: 192.0.2.4
      as: 65000
      authentication: { kind: tcp-ao, keys: [{ sendId: 1, receiveId: 2, algorithm: hmac-sha-1-96, key: written }] }
`).bgp.neighbors
      expect(first.authentication).toEqual({ kind: 'tcp-md5', key: 'from a file' })
      expect(second.authentication).toEqual({ kind: 'tcp-md5', key: 'from the environment' })
      expect(third.authentication).toEqual({
        kind: 'tcp-ao',
        keys: [{ sendId: 1, receiveId: 2, algorithm: 'hmac-sha-1-96', key: 'written' }],
      })
    } finally {
      delete process.env['HEDDLE_TEST_KEY']
    }
  })

  it('originates routes of a VPN, labeled ones and plain ones, with their attributes', () => {
    const { networks } = resolved(`  networks:
    - { rd: '65000:1', prefix: 10.0.0.0/24, label: 100, routeTargets: ['65000:1'], localPref: 200 }
    - { prefix: 198.51.100.0/24, communities: [no-export, '65000:7'], largeCommunities: ['65000:1:2'], med: 5, origin: incomplete }
    - { prefix: 2001:db8::/32, label: 16, nextHop: 2001:db8::1, extendedCommunities: ['color:7'] }
`)
    expect(networks.map(({ rd, prefix, label }) => [String(rd), String(prefix), label])).toEqual([
      ['65000:1', '10.0.0.0/24', 100],
      ['undefined', '198.51.100.0/24', undefined],
      ['undefined', '2001:db8::/32', 16],
    ])
    expect(networks[1].attributes).toEqual({
      origin: 'incomplete',
      med: 5,
      communities: [0xffff_ff01, 0xfde8_0007],
      largeCommunities: [{ globalAdministrator: 65000, localData1: 1, localData2: 2 }],
    })
    expect(networks[2].attributes?.extendedCommunities).toEqual([{ kind: 'color', flags: 0, color: 7 }])
  })
})

describe('policies by name', () => {
  const policies = `  policies:
    small: |
      term short
        match prefix 0.0.0.0/0 ge 25
        reject
    ours:
      terms: [{ name: mine, match: { prefix: ['10.0.0.0/8 le 32'] }, change: { localPref: 200 }, verdict: accept }]
`
  const applied = (use: string, prefix: string, family = IPV4_UNICAST) => {
    const { importPolicy } = neighbor(`${policies}  neighbors: [{ address: 192.0.2.2, as: 65001, importPolicy: ${use} }]\n`)
    const own = IpPrefix.parse(prefix)
    const { verdict, term } = compilePolicy(importPolicy as Policy).apply({
      family,
      nlri:
        family === IPV4_UNICAST
          ? { kind: 'unicast', prefix: own }
          : { kind: 'vpn', labels: [16], rd: RouteDistinguisher.parse('1:1'), prefix: own },
      set: { attributes: { origin: 'igp', asPath: [] } },
      peer: '192.0.2.2',
      source: 'ebgp',
    })
    return `${verdict} by ${term}`
  }

  it('are applied one after the other, and what the last says nothing of is rejected', () => {
    expect(applied('[small, ours]', '10.0.0.0/8')).toBe('accept by ours/mine')
    expect(applied('[small, ours]', '10.0.0.0/25')).toBe('reject by small/short')
    expect(applied('[small, ours]', '192.168.0.0/16')).toBe('reject by ours/otherwise')
    expect(applied('ours', '10.0.0.0/25')).toBe('accept by ours/mine')
  })

  it('are applied to the families that name them, and others are accepted', () => {
    expect(applied('{ ipv4-unicast: ours }', '192.168.0.0/16')).toBe('reject by ours/otherwise')
    expect(applied('{ ipv4-unicast: ours }', '192.168.0.0/16', VPNV4_UNICAST)).toBe('accept by otherwise')
    expect(applied('{ ipv4-unicast: small, vpnv4-unicast: [small, ours] }', '10.0.0.0/25', VPNV4_UNICAST)).toBe('reject by small/short')
  })
})

describe('what is wrong', () => {
  it.each([
    [
      'a policy that nobody has',
      '  policies: { ours: "term a\\n accept" }\n  neighbors: [{ address: 192.0.2.2, as: 1, importPolicy: [our] }]\n',
      5,
      'bgp.neighbors[0].importPolicy[0]',
      '"our"',
      'did you mean "ours"?',
    ],
    [
      'a statement that is none',
      '  policies:\n    ours: |\n      term a\n        match prefix 10.0.0.0/8\n        acept\n',
      8,
      'bgp.policies.ours',
      '"acept"',
      'is not a statement',
    ],
    [
      'a value in the text of a policy',
      '  policies:\n    ours: |\n      term a\n        accept\n      term b\n        match prefix 10.0.0.0/99\n',
      8,
      'bgp.policies.ours',
      '"term b"',
      '10.0.0.0/99',
    ],
    [
      'a value in the data of a policy',
      '  policies:\n    ours:\n      terms:\n        - { match: { prefix: [10.0.0.0/99] } }\n',
      7,
      'bgp.policies.ours.terms[0].match.prefix[0]',
      'a value',
      '10.0.0.0/99',
    ],
    [
      'an unknown key of a policy',
      '  policies:\n    ours:\n      terms: [{ mach: {} }]\n',
      6,
      'bgp.policies.ours.terms[0].mach',
      'the unknown key "mach"',
      'did you mean "match"?',
    ],
    [
      'a group that nobody has',
      '  neighbors: [{ address: 192.0.2.2, as: 1, group: client }]\n',
      4,
      'bgp.neighbors[0].group',
      '"client"',
      'bgp.groups, which has none',
    ],
    ['no AS number anywhere', '  neighbors: [{ address: 192.0.2.2 }]\n', 4, 'bgp.neighbors[0].as', 'nothing', 'here or in the group'],
    [
      'a key that is not there',
      '  neighbors: [{ address: 192.0.2.2, as: 1, authentication: { kind: tcp-md5, keyFile: none.key } }]\n',
      4,
      'bgp.neighbors[0].authentication.keyFile',
      'no such file',
      'a file that can be read',
    ],
    [
      'two keys',
      '  neighbors: [{ address: 192.0.2.2, as: 1, authentication: { kind: tcp-md5, key: a, keyEnv: B } }]\n',
      4,
      'bgp.neighbors[0].authentication',
      'key and keyEnv',
      'exactly one',
    ],
    [
      'a VPN route without a label',
      "  networks: [{ rd: '1:1', prefix: 10.0.0.0/8, routeTargets: [] }]\n",
      4,
      'bgp.networks[0].label',
      'nothing',
      'required with rd',
    ],
    [
      'a community that is none',
      '  networks: [{ prefix: 10.0.0.0/8, communities: [everywhere] }]\n',
      4,
      'bgp.networks[0].communities',
      'a community',
      'everywhere',
    ],
    [
      'a role towards an internal neighbor',
      '  neighbors: [{ address: 192.0.2.2, as: 65000, role: customer }]\n',
      4,
      'bgp.neighbors[0].role',
      'a value that the speaker cannot use',
      'only a peer in another AS has one',
    ],
    [
      'a path that is too short to limit',
      '  neighbors: [{ address: 192.0.2.2, as: 1, limits: { asPath: 0 } }]\n',
      4,
      'bgp.neighbors[0].limits.asPath',
      '0',
      '1–16383',
    ],
    [
      'dynamic neighbors and nowhere to accept them',
      '  dynamicNeighbors: [{ prefix: 10.0.0.0/8, as: 1 }]\n',
      4,
      'bgp.dynamicNeighbors[0]',
      'no bgp.listen',
      'bgp.listen',
    ],
  ])('%s is refused, with its place', (_name, text, line, path, found, allowed) => {
    const [problem] = problems(text)
    expect(problem).toMatchObject({ line, path })
    expect(problem.found).toContain(found)
    expect(problem.allowed).toContain(allowed)
  })

  it.each(['"s3cret'.padEnd(200, 'x') + '"', '5338713', '[s3cret]', `"${'é53387'.repeat(12)}"`])('never shows a key: %s', (key) => {
    const found = problems(`  neighbors: [{ address: 192.0.2.2, as: 1, authentication: { kind: tcp-md5, key: ${key} } }]\n`)
    expect(found).toMatchObject([{ path: 'bgp.neighbors[0].authentication.key' }])
    expect(JSON.stringify(found)).not.toMatch(/s3cret|5338/)
  })
})

describe('the reference', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

  it('has an example that is accepted', () => {
    const [, yaml] = /```yaml\n([^]*?)```/.exec(readme) ?? []
    const { bgp } = resolveSpeaker(parseSpeaker(join(folder, 'speaker.yaml'), `node: { name: rr, address: 192.0.2.1 }\n${yaml}`))
    expect(bgp.neighbors[1]).toMatchObject({ role: 'provider', authentication: { key: 'from a file' } })
  })

  it('names every key of the section bgp', () => {
    const { properties } = bgpSchema as { properties: Record<string, { items?: { properties?: object } }> }
    const keys = [
      ...Object.keys(properties),
      ...['neighbors', 'dynamicNeighbors', 'networks', 'bmp', 'rtr', 'vrfs'].flatMap((list) =>
        Object.keys(properties[list].items?.properties ?? {}),
      ),
    ]
    expect(keys.length).toBeGreaterThan(60)
    expect(keys.filter((key) => !new RegExp(`[\\x60.]${key}\\b`).test(readme))).toEqual([])
  })
})
