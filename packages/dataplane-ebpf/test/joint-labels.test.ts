import type { NextHopAction } from '@heddle/core'
import {
  EMPTY,
  greBefore,
  labelled,
  testPacket,
  transition,
  type PacketInput,
  type Tables,
  type TestLabel,
} from '@heddle/dataplane-conformance'
import { IpPrefix } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { byMemory, byProgram, bytesOf, type Result } from './support/twins.js'

const SPACE = 'joint'
const [XDP_PASS, XDP_TX, TC_REDIRECT] = [2, 3, 7]
const ETHERNET = 14
/** The first word of a stack, by what it says is behind the next one. */
const JOINT = [0x0c00_0000, 0x0c00_0001, 0x0c00_0002]
/** What is like it: another TTL, the bottom, a traffic class, the labels beside it. */
const OTHERS = [0x0c00_0003, 0x0c00_00ff, 0x0c00_0101, 0x0c00_0201, 0x0bff_f001, 0x0c00_1001]
const LABELS = { port: 101, lookup: 102, uniform: 103, swap: 104, pop: 105, onward: 106 } as const
const POD = { 4: ['10.2.0.1', '10.1.0.1'], 6: ['fd02::1', 'fd01::1'] } as const
const FAMILIES = [4, 6] as const

const tunnel = (labels: readonly number[]): NextHopAction => ({
  type: 'tunnel',
  encapsulation: 'mpls-udp',
  local: LOCAL[4],
  remote: PEERS[4][1],
  labels,
  ttlModel: 'uniform',
  trafficClassModel: 'uniform',
})
const TABLES: Tables = {
  ...EMPTY,
  vrfs: [1, 2].map((id) => ({ id, name: `vrf ${id}` })),
  ports: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1400 }],
  nextHops: [
    { id: 1, action: { type: 'port', port: 1 } },
    { id: 2, action: tunnel([200]) },
    { id: 3, action: tunnel([]) },
  ],
  groups: [1, 2].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })),
  tunnelSources: [{ id: 1, prefixes: [...PEERS[4], ...PEERS[6]].map((peer) => IpPrefix.of(peer)) }],
  labels: [
    { label: LABELS.port, action: { type: 'pop-forward', port: 1 }, sources: 1 },
    { label: LABELS.lookup, action: { type: 'pop-lookup', vrf: 1 }, sources: 1 },
    { label: LABELS.uniform, action: { type: 'pop-lookup', vrf: 1 }, sources: 1, trafficClassModel: 'uniform' },
    { label: LABELS.swap, action: { type: 'swap', nextHop: 2 }, sources: 1 },
    { label: LABELS.pop, action: { type: 'swap', nextHop: 3 }, sources: 1 },
    { label: LABELS.onward, action: { type: 'pop-lookup', vrf: 2 }, sources: 1 },
  ],
  routes: [1, 2].flatMap((vrf) => ['10.1.0.0/16', 'fd01::/64'].map((prefix) => ({ vrf, prefix, group: vrf }))),
}

/** How often a packet is asked about whose flow may be known on another CPU. */
const ATTEMPTS = 100
/** How often it is unknown beside a flow that is known before it is taken for unknown. */
const ENOUGH = 3

/** Ways of a packet, by its stack. */
const WAYS: Readonly<Record<string, readonly TestLabel[]>> = {
  'by a label of a port': [{ label: LABELS.port, ttl: 3 }],
  'by a label of a VRF': [{ label: LABELS.lookup }],
  'with the traffic class of the label': [{ label: LABELS.uniform, trafficClass: 5 }],
  'behind an explicit null': [{ label: 0 }, { label: LABELS.port }],
  'with a label that is swapped': [{ label: LABELS.swap, ttl: 5, trafficClass: 3 }, { label: 999 }],
  'with a label that is taken away': [{ label: LABELS.pop, ttl: 5 }, { label: 999 }],
  'from a VRF into a tunnel': [{ label: LABELS.onward }],
}

interface Sent {
  readonly family?: 4 | 6
  readonly outer?: 4 | 6
  readonly stack?: readonly TestLabel[]
  readonly before?: readonly number[]
  readonly encapsulation?: 'mpls-udp' | 'mpls-gre'
}

/** A packet behind labels. @param before words on top of the stack */
function input({ family = 4, outer = 4, stack = [{ label: LABELS.port }], before = [], encapsulation = 'mpls-udp' }: Sent): PacketInput {
  const [source, destination] = POD[family]
  const words = before.flatMap((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff))
  const inside = Uint8Array.from([...words, ...labelled(stack, testPacket({ source, destination, ttl: 60 }))])
  return {
    from: 'underlay',
    encapsulation,
    source: PEERS[outer][0],
    trafficClass: 2,
    packet: encapsulation === 'mpls-gre' ? greBefore(inside) : inside,
  }
}

function frameOf(sent: Sent): Uint8Array {
  const packet = bytesOf(input(sent))
  return Uint8Array.from([...new Uint8Array(ETHERNET - 2).fill(0xee), ...(packet[0] >> 4 === 6 ? [0x86, 0xdd] : [8, 0]), ...packet])
}

describe.skipIf(missing() !== '')(titled('joint labels'), () => {
  let space: RouterNamespace
  let router: EbpfRouter

  beforeAll(async () => {
    space = new RouterNamespace(SPACE)
    const inside = (line: string): string => space.namespaces.in(SPACE, ...line.split(' '))
    inside(`ip address add ${LOCAL[4]}/24 dev up0`)
    inside(`ip address add ${LOCAL[6]}/64 dev up0 nodad`)
    inside(`ip neighbour add ${PEERS[4][1]} lladdr 02:00:00:00:00:02 nud permanent dev up0`)
    inside('sysctl -qw net.ipv4.conf.up0.forwarding=1')
    router = await space.open({ fibBlocks: 1024, routes: 64, flows: 1024 })
    expect(await router.apply(transition(1, EMPTY, TABLES))).toMatchObject({ status: 'applied', failures: [] })
    router.parts.maps.set('links', 1, new View(LINK).set('ifindex', 1).bytes)
  })
  afterAll(async () => {
    await router?.close()
    space?.close()
  })

  function generally(sent: Sent): Result {
    router.parts.maps.forgetDecisions()
    return byProgram(router, input(sent))
  }

  /**
   * What the memory makes of a packet when it has just learned a flow; none when it knows nothing of the packet though it knows the flow. Each CPU has a memory
   * of its own: where the process has gone to another one meanwhile, the flow is learned anew.
   */
  function remembered(flow: Sent, sent: Sent): Result | undefined {
    let times = 0
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      generally(flow)
      const [before, found, behind] = [flow, sent, flow].map((one) => byMemory(router, input(one)))
      if (found !== undefined) return found
      // Once could be a way to another CPU and back.
      if (before !== undefined && behind !== undefined && ++times === ENOUGH) return undefined
    }
    throw new Error(`of ${ATTEMPTS} times that a flow was learned it was seldom known`)
  }

  describe.each(Object.entries(WAYS))('%s', (_, stack) => {
    it.each(FAMILIES.flatMap((outer) => FAMILIES.map((family) => ({ outer, family }))))(
      'is passed over, whatever it says (IPv$family over IPv$outer)',
      ({ outer, family }) => {
        const without = generally({ outer, family, stack })
        expect(without).toMatchObject({ verdict: expect.stringMatching(/^(deliver|send)$/) as string, reason: undefined })
        for (const word of JOINT) expect([word, generally({ outer, family, stack, before: [word] })]).toEqual([word, without])
      },
    )
  })

  it.each(FAMILIES)('is passed over in front of a flow that is known, which is the same without (IPv%i)', (family) => {
    for (const label of [LABELS.port, LABELS.lookup]) {
      const sent = { family, outer: family, stack: [{ label, ttl: 9 }] }
      const without = generally(sent)
      expect(remembered(sent, sent)).toEqual(without)
      for (const word of JOINT) {
        const behind = { ...sent, before: [word] }
        expect(generally(behind)).toEqual(without)
        expect([word, remembered(sent, behind)]).toEqual([word, without])
        expect([word, remembered(behind, sent)]).toEqual([word, without])
        for (const before of [...OTHERS.map((other) => [other]), [word, word]]) {
          expect([before, remembered(sent, { ...sent, before })]).toEqual([before, undefined])
        }
      }
    }
  })

  it.each(['with a label that is swapped', 'with a label that is taken away', 'from a VRF into a tunnel'])(
    'is passed over by XDP, as without (%s)',
    (way) => {
      /** The first packet of a CPU to a neighbour goes by the kernel, and one in a while. */
      const across = (sent: Sent): { verdict: number; packet: string } => {
        for (let attempt = 1; ; attempt++) {
          const { verdict, packet } = router.run('across', frameOf(sent), 0, 1, space.namespaces.path(SPACE))
          if (verdict !== XDP_PASS || attempt === 5) return { verdict, packet: Buffer.from(packet).toString('hex') }
        }
      }
      for (const outer of FAMILIES) {
        const sent = { outer, stack: WAYS[way] }
        const without = across(sent)
        expect(without.verdict).toBe(XDP_TX)
        for (const word of JOINT) expect([word, across({ ...sent, before: [word] })]).toEqual([word, without])
        for (const before of [...OTHERS.map((word) => [word]), [JOINT[1], JOINT[1]]]) {
          expect([before, across({ ...sent, before }).verdict]).toEqual([before, XDP_PASS])
        }
        const gre = { ...sent, encapsulation: 'mpls-gre' } as const
        expect(across(gre)).toEqual(without)
        expect(across({ ...gre, before: [JOINT[1]] }).verdict).toBe(XDP_PASS)
      }
    },
  )

  it.each([
    ['a second one', { before: [JOINT[1], JOINT[1]] }],
    ...OTHERS.map((word) => [`0x${word.toString(16)}`, { before: [word] }] as const),
    ['one over GRE', { before: [JOINT[1]], encapsulation: 'mpls-gre' }],
  ] as const)('%s is an unknown label', (_, sent) => {
    expect(generally(sent)).toMatchObject({ verdict: 'drop', reason: 'label-unknown' })
  })

  it('with nothing behind it is no stack', () => {
    const nothing = { ...input({}), packet: Uint8Array.of(0x0c, 0, 0, 1) }
    expect(byProgram(router, nothing)).toMatchObject({ verdict: 'drop', reason: 'label-stack' })
  })

  it('is passed over at the former port as well', () => {
    const frame = frameOf({ before: [JOINT[1]] })
    frame.set([51_234 >> 8, 51_234 & 0xff], ETHERNET + 22)
    expect(router.run('ingress', frame).verdict).toBe(TC_REDIRECT)
  })
})
