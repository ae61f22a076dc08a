import { DROP_REASONS, type NextHopAction } from '@heddle/core'
import { EMPTY, greBefore, labelled, testPacket, testSegment, transition, type Tables, type TestLabel } from '@heddle/dataplane-conformance'
import { IpPrefix } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { bytesOf } from './support/twins.js'

const SPACE = 'swapped'
const ETHERNET = 14
/** Octets of payload that a frame is cut by. */
const SEGMENT = 500
/** Octets that the uplink takes, and that the headers of the next hop have, its label among them. */
const [MTU, OUTER] = [1500, 20 + 8 + 4]
const LABELS = { swap: 104, pop: 105, gre: 106, joint: 107, lookup: 108 } as const
const JOINT = [0x0c, 0, 0] as const
const POD = { 4: ['10.2.0.1', '10.1.0.1'], 6: ['fd02::1', 'fd01::1'] } as const

const tunnel = (labels: readonly number[], encapsulation: 'mpls-udp' | 'mpls-udp-joint' | 'mpls-gre' = 'mpls-udp'): NextHopAction => ({
  type: 'tunnel',
  encapsulation,
  local: LOCAL[4],
  remote: PEERS[4][1],
  labels,
  ttlModel: 'uniform',
  trafficClassModel: 'uniform',
})
const TABLES: Tables = {
  ...EMPTY,
  vrfs: [{ id: 2, name: 'onward' }],
  nextHops: [tunnel([200]), tunnel([]), tunnel([200], 'mpls-gre'), tunnel([200], 'mpls-udp-joint')].map((action, index) => ({
    id: index + 1,
    action,
  })),
  groups: [{ id: 1, members: [{ nextHop: 1, weight: 1 }], seed: 1 }],
  tunnelSources: [{ id: 1, prefixes: [...PEERS[4], ...PEERS[6]].map((peer) => IpPrefix.of(peer)) }],
  labels: [
    ...[LABELS.swap, LABELS.pop, LABELS.gre, LABELS.joint].map((label, index) => ({
      label,
      action: { type: 'swap', nextHop: index + 1 } as const,
      sources: 1,
    })),
    { label: LABELS.lookup, action: { type: 'pop-lookup', vrf: 2 }, sources: 1 },
  ],
  routes: ['10.1.0.0/16', 'fd01::/64'].map((prefix) => ({ vrf: 2, prefix, group: 1 })),
}

/** Frames that are still to be cut: of one packet, behind all labels, or between datagrams, of which each has labels. */
describe.skipIf(missing() !== '')(titled('a label that is swapped before a frame that is to be cut'), () => {
  let space: RouterNamespace
  let router: EbpfRouter

  beforeAll(async () => {
    space = new RouterNamespace(SPACE)
    // Nothing joins frames then, so that those behind joint labels may go on.
    router = await space.open({ fibBlocks: 1024, routes: 64, flows: 1024, without: ['vxlan-gpe'] })
    expect(await router.apply(transition(1, EMPTY, TABLES))).toMatchObject({ status: 'applied', failures: [] })
  })
  afterAll(async () => {
    await router?.close()
    space?.close()
  })

  interface Sent {
    readonly payload: Uint8Array
    readonly outer?: 4 | 6
    readonly encapsulation?: 'mpls-udp' | 'mpls-gre'
    readonly segment?: number
  }

  /** What it is dropped for; none when it goes on, as far as a test run can have it: such a frame is of no protocol, and the kernel lengthens none of those. */
  function reasonsOf({ payload, outer = 4, encapsulation = 'mpls-udp', segment = SEGMENT }: Sent): readonly string[] {
    const { maps } = router.parts
    const drops = (): number[] => DROP_REASONS.map((_, slot) => maps.sums(maps.get('drops', slot) ?? new Uint8Array(0), 1)[0])
    const packet = bytesOf({
      from: 'underlay',
      encapsulation,
      source: PEERS[outer][0],
      packet: encapsulation === 'mpls-gre' ? greBefore(payload) : payload,
    })
    const frame = Uint8Array.of(...new Uint8Array(12).fill(0xee), ...(outer === 6 ? [0x86, 0xdd] : [8, 0]), ...packet)
    expect(frame.length).toBeGreaterThan(ETHERNET)
    const before = drops()
    router.run('ingress', frame, segment)
    const after = drops()
    return DROP_REASONS.filter((_, slot) => after[slot] !== before[slot]).filter((reason) => reason !== 'queue-full')
  }

  const packetOf = (family: 4 | 6, isTcp: boolean, size = 1200): Uint8Array => {
    const [source, destination] = POD[family]
    return isTcp ? testSegment({ source, destination, size, options: [], flags: 0x10 }) : testPacket({ source, destination, size })
  }
  const STACKS: Readonly<Record<string, readonly TestLabel[]>> = {
    'the only one': [{ label: LABELS.swap }],
    'above others': [{ label: LABELS.swap }, { label: 999 }, { label: 998 }],
    'behind an explicit null': [{ label: 0 }, { label: LABELS.swap }],
    'that is taken away': [{ label: LABELS.pop }, { label: 999 }],
    'that goes on by GRE': [{ label: LABELS.gre }, { label: 999 }],
    'that goes on behind a joint label': [{ label: LABELS.joint }],
  }
  const concatenated = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))

  describe.each(Object.entries(STACKS))('%s', (_, stack) => {
    it.each([4, 6] as const)('goes on where it is one packet, of IPv%i', (family) => {
      for (const outer of [4, 6] as const) {
        for (const isTcp of [true, false]) {
          const payload = labelled(stack, packetOf(family, isTcp))
          expect(reasonsOf({ payload, outer })).toEqual([])
          expect(reasonsOf({ payload, outer, encapsulation: 'mpls-gre' })).toEqual([])
        }
      }
    })

    // All but the first went to the next router with the label that they came by.
    it.each([4, 6] as const)('is dropped with several datagrams in one, of IPv%i', (family) => {
      for (const outer of [4, 6] as const) {
        for (const size of [SEGMENT - 48 - stack.length * 4, 3]) {
          const one = labelled(stack, packetOf(family, false, size))
          const payload = concatenated(one, one)
          const segment = one.length
          expect(reasonsOf({ payload, outer, segment })).toEqual(['outer-malformed'])
          // A single packet is what its own length says.
          expect(reasonsOf({ payload, outer, segment: 0 })).toEqual([])
        }
      }
    })
  })

  it('is dropped with what is no packet, no whole one, or has no bottom of its stack', () => {
    const packet = packetOf(4, true)
    const endless = labelled([{ label: LABELS.swap }, ...Array.from({ length: 20 }, () => ({ label: 999 }))], packet)
    const other = new Uint8Array(1200).fill(0x10)
    const behind = (inside: Uint8Array): Uint8Array => labelled([{ label: LABELS.swap }], inside)
    const cutOff = [packet.subarray(0, 1000), packet.subarray(0, 10), packetOf(6, true).subarray(0, 30), new Uint8Array(0)]
    for (const payload of [endless, ...[other, ...cutOff].map(behind)]) {
      expect(reasonsOf({ payload })).toEqual(['outer-malformed'])
      // What labels carry is nobody's business otherwise.
      expect(reasonsOf({ payload, segment: 0 })).toEqual([])
    }
  })

  // Timestamps, as nearly every segment has them.
  const OPTIONS = [1, 1, 8, 10, ...Array.from({ length: 8 }, () => 0)]
  const PIECES = [
    { family: 4, what: 'TCP', headers: 20 + 20 + OPTIONS.length },
    { family: 6, what: 'TCP', headers: 40 + 20 + OPTIONS.length },
    { family: 4, what: 'UDP', headers: 20 + 8 },
    { family: 6, what: 'UDP', headers: 40 + 8 },
  ] as const
  it.each(PIECES)('goes on in pieces that its way takes, and in no larger ones: IPv$family, $what', ({ family, what, headers }) => {
    const [source, destination] = POD[family]
    const input = { source, destination, size: 3000 }
    const packet = what === 'TCP' ? testSegment({ ...input, options: OPTIONS, flags: 0x10 }) : testPacket(input)
    for (const below of [0, 2]) {
      const others = Array.from({ length: below }, (_, index) => ({ label: 999 - index }))
      const payload = labelled([{ label: LABELS.swap }, ...others], packet)
      const most = MTU - OUTER - below * 4 - headers
      expect(reasonsOf({ payload, segment: most })).toEqual([])
      expect(reasonsOf({ payload, segment: most + 1 })).toEqual(['mtu-exceeded'])
    }
  })

  it('is dropped behind a joint label only with several datagrams in one', () => {
    for (const family of [4, 6] as const) {
      const joint = Uint8Array.of(...JOINT, family === 4 ? 1 : 2)
      const one = labelled([{ label: LABELS.swap }], packetOf(family, true, 400))
      expect(reasonsOf({ payload: concatenated(joint, one) })).toEqual([])
      expect(reasonsOf({ payload: concatenated(joint, one, joint, one), segment: one.length + 4 })).toEqual(['outer-malformed'])
    }
  })

  it('is what a lookup is that sends on', () => {
    for (const family of [4, 6] as const) {
      const one = labelled([{ label: LABELS.lookup }], packetOf(family, false, 400))
      expect(reasonsOf({ payload: one, segment: 100 })).toEqual([])
      expect(reasonsOf({ payload: concatenated(one, one), segment: one.length })).toEqual(['outer-malformed'])
    }
  })
})
