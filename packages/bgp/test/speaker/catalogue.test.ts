import { IpAddress, IpPrefix } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import {
  IPV4_LABELED_UNICAST,
  IPV4_UNICAST,
  RibTable,
  AttributeSets,
  WELL_KNOWN_COMMUNITY,
  compilePolicy,
  exportSet,
  type ExportSignature,
  type FamilyName,
  type LocalRoute,
} from '../../src/index.js'
import { signatureKey } from '../../src/speaker/export/export-groups.js'
import { Lab, internal, isUp, neighbor, vpn, vpnRoutes } from './lab.js'

/* Faults that others had, each as a case that would find it here. */

const A = '192.0.2.1'
const B = '192.0.2.2'
const SIGNATURE: Required<ExportSignature> = {
  peerType: 'ebgp',
  client: false,
  localAs: 65000,
  routerId: IpAddress.parse(A),
  clusterId: IpAddress.parse(A),
  localAddress: IpAddress.parse(A),
  nextHop: 'auto',
  extendedNextHop: new Set(),
  member: false,
  overrideAs: 0,
  privateAs: 'remove',
  transparent: false,
  gracefulShutdown: false,
  role: 'peer',
  llgr: false,
  addPathLimit: 1,
  policy: compilePolicy({ terms: [] }),
}

describe('the key of an export group has everything that a peer may differ in', () => {
  const other: { readonly [Name in keyof Required<ExportSignature>]: Required<ExportSignature>[Name] } = {
    peerType: 'ibgp',
    client: true,
    localAs: 65001,
    routerId: IpAddress.parse(B),
    clusterId: IpAddress.parse(B),
    localAddress: IpAddress.parse(B),
    nextHop: 'self',
    extendedNextHop: new Set([IPV4_UNICAST.key]),
    member: true,
    overrideAs: 65002,
    privateAs: 'replace',
    transparent: true,
    gracefulShutdown: true,
    role: 'customer',
    llgr: true,
    addPathLimit: 2,
    policy: compilePolicy({ terms: [], otherwise: 'accept' }),
  }
  it.each(Object.keys(SIGNATURE) as (keyof ExportSignature)[])('%s', (name) => {
    const key = (signature: ExportSignature): string => signatureKey(signature, {}, IPV4_UNICAST.key)
    expect(key({ ...SIGNATURE, [name]: other[name] })).not.toBe(key(SIGNATURE))
    expect(key({ ...SIGNATURE })).toBe(key(SIGNATURE))
  })

  it.each([{ asn4: false }, { extended: true }, { addPath: new Set([IPV4_UNICAST.key]) }])('%o', (encode) => {
    expect(signatureKey(SIGNATURE, encode, IPV4_UNICAST.key)).not.toBe(signatureKey(SIGNATURE, {}, IPV4_UNICAST.key))
  })
})

describe('AS numbers of four octets', () => {
  it('come up with each other although the OPEN has AS_TRANS in the field of two', async () => {
    const lab = new Lab()
    const families = ['ipv4-unicast'] as const
    const a = lab.speaker(A, { as: 4_200_000_001, neighbors: [{ address: B, as: 4_200_000_002, families }] })
    const b = lab.speaker(B, { as: 4_200_000_002, neighbors: [{ address: A, as: 4_200_000_001, families }] })
    await Promise.all([a.start(), b.start()])
    await lab.until(() => isUp(a, B) && isUp(b, A), 'up')
    expect(neighbor(a, B).negotiated?.remoteAs).toBe(4_200_000_002)
  })
})

describe('path identifier 0', () => {
  it('names one path, and is no wildcard', () => {
    const sets = new AttributeSets()
    const table = new RibTable(IPV4_UNICAST, sets)
    const key = table.newKey()
    table.key.fromNlri({ kind: 'unicast', prefix: IpPrefix.parse('10.0.0.0/8') }, key)
    for (const id of [0, 1, 2]) table.announce(1, key, id, 0, sets.intern({ attributes: {} }))
    expect(table.peerCount(1)).toBe(3)
    expect(table.withdraw(1, key, 0)).toBe(true)
    expect([...table.peerPaths(1)].map((path) => table.pathIdOf(path)).sort((a, b) => a - b)).toEqual([1, 2])
    expect(table.withdraw(1, key, 0)).toBe(false)
  })
})

describe('NO_EXPORT', () => {
  it.each([IPV4_UNICAST, IPV4_LABELED_UNICAST])('holds for $name', (family) => {
    const set = {
      attributes: { origin: 'igp', asPath: [], communities: [WELL_KNOWN_COMMUNITY.noExport] },
      nextHop: { address: IpAddress.parse(B) },
    } as const
    const source = { kind: 'ibgp', client: true, routerId: IpAddress.parse(B) } as const
    const { policy: _policy, ...to } = SIGNATURE
    expect(exportSet(set, family, source, to)).toEqual({ refused: 'no-export' })
  })
})

describe('the last path of a destination', () => {
  const prefixes = { 'vpnv4-unicast': '10.0.0.1/32', 'vpnv6-unicast': '2001:db8::1/128' } as const
  it.each(Object.entries(prefixes))('is withdrawn two hops on, in %s', async (_family, prefix) => {
    const lab = new Lab()
    const r = lab.speaker(A, {
      neighbors: [internal(B, { routeReflectorClient: true }), internal('192.0.2.3', { routeReflectorClient: true })],
    })
    const source = lab.speaker(B, { neighbors: [internal(A)] })
    const end = lab.speaker('192.0.2.3', { neighbors: [internal(A)] })
    await Promise.all([r, source, end].map((speaker) => speaker.start()))
    source.announce([vpn(prefix)])
    await lab.until(() => vpnRoutes(end).length === 1, 'there')
    source.withdraw([vpn(prefix)])
    await lab.run(2)
    expect([vpnRoutes(r), vpnRoutes(end)]).toEqual([[], []])
  })
})

describe('graceful restart for a family that the peer does not speak', () => {
  it('holds nothing back', async () => {
    const lab = new Lab()
    const families: readonly FamilyName[] = ['vpnv4-unicast', 'vpnv6-unicast', 'ipv4-unicast']
    const a = lab.speaker(A, { gracefulRestart: { restarting: true }, neighbors: [internal(B, { families })] })
    const b = lab.speaker(B, { neighbors: [internal(A, { families: ['vpnv4-unicast'] })] })
    const routes: LocalRoute[] = [vpn('10.0.0.1/32')]
    a.announce(routes)
    await Promise.all([a.start(), b.start()])
    await lab.until(() => isUp(a, B), 'up')
    await lab.run(2)
    expect(vpnRoutes(b)).toHaveLength(1)
  })
})

describe('a session that is over', () => {
  it('has no timer that brings it back: a neighbor that is removed stays away', async () => {
    const lab = new Lab()
    const a = lab.speaker(A, { neighbors: [internal(B, { gracefulRestart: { restartTime: 1 } })] })
    const b = lab.speaker(B, { neighbors: [internal(A)] })
    await Promise.all([a.start(), b.start()])
    await lab.until(() => isUp(a, B), 'up')
    b.announce([vpn('10.0.0.1/32')])
    await lab.run(1)
    a.removeNeighbor(B)
    await lab.run(400)
    expect([a.neighbors(), vpnRoutes(a), isUp(b, A)]).toEqual([[], [], false])
    expect(a.metrics().attributeSets).toBe(1) // that of our own membership
    expect(a.metrics().exportGroups).toBe(0)
  })
})

describe('a policy that is taken away', () => {
  it.each(['importPolicy', 'exportPolicy'] as const)('%s: leaves nothing of itself behind', async (key) => {
    const lab = new Lab()
    const plain = internal(B)
    const a = lab.speaker(A, { neighbors: [{ ...plain, [key]: { terms: [], otherwise: 'reject' } }] })
    const b = lab.speaker(B, { neighbors: [internal(A)] })
    await Promise.all([a.start(), b.start()])
    await lab.until(() => isUp(a, B), 'up')
    a.announce([vpn('10.0.0.1/32')])
    b.announce([vpn('10.0.0.2/32')])
    await lab.run(1)
    expect([vpnRoutes(a).length, vpnRoutes(b).length]).toEqual(key === 'importPolicy' ? [0, 1] : [1, 0])
    a.updateNeighbor(plain)
    await lab.run(1)
    expect([vpnRoutes(a).length, vpnRoutes(b).length, neighbor(a, B).established]).toEqual([1, 1, 1])
  })
})

describe('two routes that differ by the BGP identifier of their peers alone', () => {
  it('come to the same decision whichever came first', async () => {
    const winners = await Promise.all(
      [false, true].map(async (reversed) => {
        const lab = new Lab()
        const peers = [B, '192.0.2.3']
        const r = lab.speaker(A, { neighbors: peers.map((address) => internal(address)) })
        const sources = peers.map((address) => lab.speaker(address, { neighbors: [internal(A)] }))
        await Promise.all([r, ...sources].map((speaker) => speaker.start()))
        await lab.until(() => peers.every((address) => isUp(r, address)), 'up')
        for (const source of reversed ? [...sources].reverse() : sources) {
          source.announce([vpn('10.0.0.1/32')])
          await lab.run(1)
        }
        return [...r.routes({ family: 'vpnv4-unicast' })].find(({ best }) => best)?.peer
      }),
    )
    expect(winners).toEqual([B, B])
  })
})

describe('AS_TRANS', () => {
  it('is nobody, and no neighbor', () => {
    const lab = new Lab()
    expect(() => lab.speaker(A, { neighbors: [internal(B, { as: 23_456 })] })).toThrow(expect.objectContaining({ code: 'speaker.config' }))
  })
})
