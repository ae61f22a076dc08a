import { countersOf, type LabelObject, type NextHopObject } from '@heddle/core'
import type { ConformanceCase } from '../conformance-case.js'
import { check, checkEqual, printed } from '../conformance-error.js'
import { expectDelivered, expectDropped, expectSent, type Lab, type Observed } from '../lab.js'
import { Observer } from '../observer.js'
import { startOverlay, tunnelTo } from '../overlay.js'
import { greBefore, JOINT_LABEL, jointBefore, labelled, TEST_PACKET_OVERHEAD, testPacket, type TestLabel } from '../packets.js'

/* A joint label stands on top of the labels in MPLS over UDP. Who receives passes over it; who sends it says in its TTL what is behind one label. */

const TO_US = {
  4: { source: '10.1.0.1', destination: '10.0.0.1' },
  6: { source: 'fd01::1', destination: 'fd00::1' },
} as const
const FROM_US = {
  4: { source: '10.0.0.1', destination: '10.1.0.1' },
  6: { source: 'fd00::1', destination: 'fd01::1' },
} as const
const FAMILIES = [4, 6] as const
/** TTLs of a joint label: something else, IPv4, IPv6. */
const TTLS = [0, 1, 2] as const

const v4 = testPacket(TO_US[4])
const v4Delivered = testPacket({ ...TO_US[4], ttl: 63 })

interface Around {
  /** Of the peers, the first when left out. */
  readonly peer?: number
  readonly udpPort?: number
  readonly trafficClass?: number
}

/** Receives a packet in MPLS over UDP. */
function receive(lab: Lab, packet: Uint8Array, { peer = 0, ...rest }: Around = {}): Promise<Observed> {
  return lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[peer], packet, ...rest })
}

/** Stacks that are accepted behind any joint label, whose packet goes to port 1 or, where `isBlue`, to port 3. */
const accepted: readonly { name: string; stack: readonly TestLabel[]; families: readonly (4 | 6)[]; isBlue?: boolean }[] = [
  { name: 'the label of a port', stack: [{ label: 101 }], families: FAMILIES },
  { name: 'the label of a VRF', stack: [{ label: 120 }], families: FAMILIES, isBlue: true },
  { name: 'explicit null 0 above a label', stack: [{ label: 0 }, { label: 101 }], families: FAMILIES },
  { name: 'explicit null 0 below a label', stack: [{ label: 110 }, { label: 0 }], families: [4] },
  { name: 'explicit null 2 below a label', stack: [{ label: 110 }, { label: 2 }], families: [6] },
  {
    name: 'fifteen explicit nulls and a label',
    stack: [...Array.from({ length: 15 }, () => ({ label: 0 })), { label: 101 }],
    families: [4],
  },
]

const always: readonly ConformanceCase[] = [
  {
    name: 'a joint label is passed over, and what it says of the packet is not believed',
    async run(lab) {
      await startOverlay(lab)
      for (const { name, stack, families, isBlue = false } of accepted) {
        for (const family of families) {
          for (const ttl of TTLS) {
            const observed = await receive(lab, jointBefore(ttl, labelled(stack, testPacket(TO_US[family]))))
            const delivered = expectDelivered(observed, isBlue ? 3 : 1)
            checkEqual(delivered, testPacket({ ...TO_US[family], ttl: 63 }), `IPv${family} behind ${name} and joint label ${ttl}`)
          }
        }
      }
    },
  },
  {
    name: 'a joint label is passed over on the old port 51234 too',
    needs: { features: ['udp-port'] },
    async run(lab) {
      await startOverlay(lab)
      expectDelivered(await receive(lab, jointBefore(1, labelled([{ label: 101 }], v4)), { udpPort: 51_234 }), 1)
    },
  },
  {
    name: 'packets of one flow with a joint label, without one, and with another are all taken',
    async run(lab) {
      await startOverlay(lab)
      const plain = labelled([{ label: 101 }], v4)
      // Twice in each order: a flow that is remembered takes another way through some dataplanes.
      const order = [plain, jointBefore(1, plain), jointBefore(0, plain), plain, jointBefore(1, plain), jointBefore(1, plain), plain, plain]
      for (const packet of order) checkEqual(expectDelivered(await receive(lab, packet), 1), v4Delivered, 'delivered packet')
    },
  },
  {
    name: 'a second joint label is dropped as label-unknown',
    async run(lab) {
      await startOverlay(lab)
      for (const ttl of TTLS) {
        expectDropped(await receive(lab, jointBefore(1, jointBefore(ttl, labelled([{ label: 101 }], v4)))), 'label-unknown')
      }
    },
  },
  {
    name: 'a joint label below another one is dropped as label-unknown or label-stack',
    async run(lab) {
      await startOverlay(lab)
      for (const [above, reason] of [
        [0, 'label-unknown'],
        [101, 'label-stack'],
      ] as const) {
        const stack = [{ label: above }, { label: JOINT_LABEL, ttl: 1 }, { label: 102 }]
        expectDropped(await receive(lab, labelled(stack, v4)), reason)
        expectDropped(await receive(lab, jointBefore(1, labelled(stack, v4))), reason)
      }
    },
  },
  {
    name: 'a joint label with no label behind it is dropped as label-stack',
    async run(lab) {
      await startOverlay(lab)
      const whole = jointBefore(1, labelled([{ label: 0 }, { label: 101 }], new Uint8Array(0)))
      for (const length of [4, 7, 8, 11]) expectDropped(await receive(lab, whole.subarray(0, length)), 'label-stack')
    },
  },
  {
    name: 'label 49152 is a label like any other with another TTL, a traffic class, or at the bottom',
    async run(lab) {
      await startOverlay(lab)
      const below = { label: 101 }
      const stacks: readonly (readonly TestLabel[])[] = [
        [{ label: JOINT_LABEL, ttl: 3 }, below],
        [{ label: JOINT_LABEL, ttl: 255 }, below],
        [{ label: JOINT_LABEL, ttl: 1, trafficClass: 1 }, below],
        [{ label: JOINT_LABEL, ttl: 1, trafficClass: 4 }, below],
        [{ label: JOINT_LABEL, ttl: 1 }],
        [{ label: JOINT_LABEL - 1, ttl: 1 }, below],
        [{ label: JOINT_LABEL + 1, ttl: 1 }, below],
      ]
      for (const stack of stacks) expectDropped(await receive(lab, labelled(stack, v4)), 'label-unknown')
    },
  },
  {
    name: 'a joint label is none in MPLS over GRE: label-unknown',
    needs: { encapsulations: ['mpls-gre'] },
    async run(lab) {
      await startOverlay(lab)
      for (const ttl of TTLS) {
        const packet = greBefore(jointBefore(ttl, labelled([{ label: 101 }], v4)))
        expectDropped(await lab.fromUnderlay({ encapsulation: 'mpls-gre', source: lab.peers[0], packet }), 'label-unknown')
      }
    },
  },
  {
    name: 'a joint label is none in MPLS on Ethernet: label-unknown',
    needs: { encapsulations: ['mpls'] },
    async run(lab) {
      await startOverlay(lab)
      const packet = jointBefore(1, labelled([{ label: 101 }], v4))
      expectDropped(await lab.fromUnderlay({ encapsulation: 'mpls', source: lab.peers[0], packet }), 'label-unknown')
    },
  },
  {
    name: 'behind a joint label TTL, source and family are those of the labels below it',
    async run(lab) {
      await startOverlay(lab)
      for (const ttl of TTLS) {
        const joint = (stack: readonly TestLabel[]): Uint8Array => jointBefore(ttl, labelled(stack, v4))
        const delivered = expectDelivered(await receive(lab, joint([{ label: 101, ttl: 40 }])), 1)
        checkEqual(delivered, testPacket({ ...TO_US[4], ttl: 39 }), 'packet behind a label with TTL 40')
        expectDropped(await receive(lab, joint([{ label: 101, ttl: 1 }])), 'ttl-expired')
        expectDropped(await receive(lab, joint([{ label: 101 }]), { peer: 2 }), 'tunnel-source')
        expectDropped(await receive(lab, joint([{ label: 999 }])), 'label-unknown')
        expectDropped(await receive(lab, joint([{ label: 3 }])), 'label-special')
        expectDropped(await receive(lab, joint([{ label: 110 }, { label: 2 }])), 'inner-malformed')
      }
    },
  },
  {
    name: 'behind a joint label congestion that the underlay marked reaches the packet inside (RFC 6040 §4.2)',
    needs: { offers: ['ecn'], features: ['outer-traffic-class'] },
    async run(lab) {
      await startOverlay(lab)
      const marked = jointBefore(1, labelled([{ label: 101 }], testPacket({ ...TO_US[4], trafficClass: 2 })))
      const delivered = expectDelivered(await receive(lab, marked, { trafficClass: 3 }), 1)
      checkEqual(delivered, testPacket({ ...TO_US[4], trafficClass: 3, ttl: 63 }), 'delivered packet')
      expectDropped(await receive(lab, jointBefore(1, labelled([{ label: 101 }], v4)), { trafficClass: 3 }), 'congestion')
    },
  },
  {
    name: 'behind a joint label the traffic class is that of the label that is popped (RFC 3270 §2.6)',
    needs: { offers: ['traffic-class-pop'] },
    async run(lab) {
      const tables = await startOverlay(lab)
      await lab.program({ ...tables, labels: tables.labels.map((label) => ({ ...label, trafficClassModel: 'uniform' as const })) })
      const delivered = expectDelivered(await receive(lab, jointBefore(1, labelled([{ label: 101, trafficClass: 2 }], v4))), 1)
      checkEqual(delivered, testPacket({ ...TO_US[4], trafficClass: 0x40, ttl: 63 }), 'delivered packet')
    },
  },
  {
    name: 'a label counts the same behind a joint label and without one',
    needs: { offers: ['table-counters'] },
    async run(lab) {
      await startOverlay(lab)
      const counted = async (packet: Uint8Array): Promise<readonly number[]> => {
        const count = async (): Promise<readonly number[]> => [...(countersOf((await lab.harness.dataplane.counters()).labels, 101) ?? [])]
        const before = await count()
        expectDelivered(await receive(lab, packet), 1)
        return (await count()).map((value, column) => value - before[column])
      }
      const plain = labelled([{ label: 101 }], v4)
      for (const packet of [plain, jointBefore(1, plain), jointBefore(0, plain)])
        checkEqual(await counted(packet), [1, v4.length], 'counted')
    },
  },
  {
    name: 'a packet that came behind a joint label is sent on without it, unless the next hop has one',
    async run(lab) {
      await startTransit(lab, 'mpls-udp')
      const below = { label: 777, ttl: 200 }
      const swapped = labelled([{ label: 3001, ttl: 9, trafficClass: 5 }, below], v4)
      const packet = jointBefore(0, labelled([{ label: 221, ttl: 10, trafficClass: 5 }, below], v4))
      checkEqual(expectSent(await receive(lab, packet), lab.peers[1]), swapped, 'swapped packet')
      const popped = labelled([{ ...below, ttl: 9 }], v4)
      checkEqual(
        expectSent(await receive(lab, jointBefore(0, labelled([{ label: 223, ttl: 10 }, below], v4))), lab.peers[1]),
        popped,
        'popped',
      )
      expectDropped(await receive(lab, jointBefore(1, labelled([{ label: 221, ttl: 1 }], v4))), 'ttl-expired')
    },
  },
  {
    name: 'a next hop may push label 49152 as a label like any other',
    async run(lab) {
      await startOverlay(lab, { transport: [JOINT_LABEL] })
      const stack = [JOINT_LABEL, 2001].map((label) => ({ label, ttl: 255 }))
      const sent = expectSent(await lab.fromPort(1, testPacket(FROM_US[4])), lab.peers[0])
      checkEqual(sent, labelled(stack, testPacket({ ...FROM_US[4], ttl: 63 })), 'sent packet')
    },
  },
  {
    name: 'trace: a packet that came behind a joint label is told with it, and from its first label on',
    needs: { offers: ['trace'] },
    async run(lab) {
      await using observer = new Observer(lab)
      const tables = await startOverlay(lab)
      await lab.program({ ...tables, traces: [{ id: 1, filter: { port: 9 } }] })
      const stack = labelled([{ label: 101 }], v4)
      expectDelivered(await receive(lab, jointBefore(1, stack)), 1)
      const [{ from, packet, length, outcome }] = await observer.packets(1)
      checkEqual(from, { type: 'underlay', encapsulation: 'mpls-udp-joint', source: lab.peers[0] }, 'where it came from')
      checkEqual([packet, length, outcome], [stack, stack.length, 'deliver'], 'packet')
    },
  },
]

/** The overlay, with labels that are swapped for one, for two, and taken away, towards the second peer. */
async function startTransit(lab: Lab, encapsulation: 'mpls-udp' | 'mpls-udp-joint'): Promise<void> {
  const tables = await startOverlay(lab)
  const nextHops: NextHopObject[] = [
    { id: 21, action: tunnelTo(lab, 1, 3001, { encapsulation }) },
    { id: 22, action: tunnelTo(lab, 1, 3001, { encapsulation, transport: [3002], ttlModel: 'uniform' }) },
    { id: 23, action: { ...tunnelTo(lab, 1, 0, { encapsulation }), labels: [] } as NextHopObject['action'] },
  ]
  const labels = nextHops.map(({ id }): LabelObject => ({ label: 200 + id, action: { type: 'swap', nextHop: id }, sources: 1 }))
  await lab.program({ ...tables, nextHops: [...tables.nextHops, ...nextHops], labels: [...tables.labels, ...labels] })
}

const needs = { encapsulations: ['mpls-udp-joint'] } as const

const sending: readonly ConformanceCase[] = [
  {
    name: 'a joint label says nothing above two labels, and takes no part in their models',
    needs,
    async run(lab) {
      for (const ttlModel of ['uniform', 'pipe'] as const) {
        await startOverlay(lab, { encapsulation: 'mpls-udp-joint', transport: [3000], ttlModel, trafficClassModel: 'uniform' })
        for (const family of FAMILIES) {
          const packet = { ...FROM_US[family], trafficClass: 0xb8 }
          const stack = [3000, 2001].map((label) => ({ label, ttl: ttlModel === 'uniform' ? 9 : 255, trafficClass: 5 }))
          const sent = expectSent(await lab.fromPort(1, testPacket({ ...packet, ttl: 10 })), lab.peers[0])
          checkEqual(sent, jointBefore(0, labelled(stack, testPacket({ ...packet, ttl: 9 }))), `IPv${family}, ${ttlModel} TTL`)
        }
      }
    },
  },
  {
    name: 'a joint label above one says what is behind that, whatever its TTL and traffic class are',
    needs,
    async run(lab) {
      await startOverlay(lab, { encapsulation: 'mpls-udp-joint', ttlModel: 'uniform', trafficClassModel: 'uniform' })
      for (const family of FAMILIES) {
        const packet = { ...FROM_US[family], trafficClass: 0xb8 }
        const sent = expectSent(await lab.fromPort(1, testPacket({ ...packet, ttl: 10 })), lab.peers[0])
        const stack = labelled([{ label: 2001, ttl: 9, trafficClass: 5 }], testPacket({ ...packet, ttl: 9 }))
        checkEqual(sent, jointBefore(family === 4 ? 1 : 2, stack), `IPv${family}`)
      }
    },
  },
  {
    name: 'packets of both families that take turns have each their own joint label',
    needs,
    async run(lab) {
      await startOverlay(lab, { encapsulation: 'mpls-udp-joint' })
      for (const family of [4, 6, 4, 4, 6, 6, 4, 6] as const) {
        const sent = expectSent(await lab.fromPort(1, testPacket(FROM_US[family])), lab.peers[0])
        const stack = labelled([{ label: 2001, ttl: 255 }], testPacket({ ...FROM_US[family], ttl: 63 }))
        checkEqual(sent, jointBefore(family === 4 ? 1 : 2, stack), `IPv${family}`)
      }
    },
  },
  {
    name: 'the UDP source port is the same with a joint label and without one',
    needs,
    async run(lab) {
      const ports: (number | undefined)[] = []
      for (const encapsulation of ['mpls-udp', 'mpls-udp-joint'] as const) {
        await startOverlay(lab, { encapsulation })
        const [output] = (await lab.fromPort(1, testPacket(FROM_US[4]))).outputs
        check(output?.type === 'sent' && output.sourcePort !== undefined, `expected a UDP packet, found ${printed(output)}`)
        ports.push(output.sourcePort)
      }
      checkEqual(ports[1], ports[0], 'source port')
    },
  },
  {
    name: 'a joint label says what is in a packet that is sent on: IP behind one label, or something else',
    needs,
    async run(lab) {
      await startTransit(lab, 'mpls-udp-joint')
      const below = { label: 777, ttl: 200, trafficClass: 1 }
      // As octets the labels at the bottom begin like headers of IPv4 and IPv6.
      const [like4, like6] = [0x4_5000, 0x6_0000].map((label) => ({ label, ttl: 64 }))
      const neither = Uint8Array.from([0x50, ...v4.subarray(1)])
      const packets = { 4: v4, 6: testPacket(TO_US[6]), 0: neither }
      const sentOn = async (stack: readonly TestLabel[], packet: Uint8Array): Promise<Uint8Array> =>
        expectSent(await receive(lab, labelled(stack, packet)), lab.peers[1])
      const swapped = { label: 3001, ttl: 9, trafficClass: 5 }
      const top = (label: number): TestLabel => ({ label, ttl: 10, trafficClass: 5 })
      for (const [packet, ttl] of [
        [packets[4], 1],
        [packets[6], 2],
        [packets[0], 0],
      ] as const) {
        checkEqual(await sentOn([top(221)], packet), jointBefore(ttl, labelled([swapped], packet)), `swapped, says ${ttl}`)
        const popped = jointBefore(ttl, labelled([{ ...below, ttl: 9 }], packet))
        checkEqual(await sentOn([top(223), below], packet), popped, `popped, says ${ttl}`)
      }
      for (const lower of [below, like4, like6]) {
        checkEqual(await sentOn([top(221), lower], v4), jointBefore(0, labelled([swapped, lower], v4)), 'swapped above another')
        const popped = jointBefore(0, labelled([{ ...below, ttl: 9 }, lower], v4))
        checkEqual(await sentOn([top(223), below, lower], v4), popped, 'popped above two')
      }
      const pushed = [3002, 3001].map((label) => ({ label, ttl: 9, trafficClass: 5 }))
      checkEqual(await sentOn([top(222)], v4), jointBefore(0, labelled(pushed, v4)), 'pushed')
      expectDropped(await receive(lab, labelled([{ label: 223 }], v4)), 'label-stack')
    },
  },
  {
    name: 'a packet goes from one joint label to the next',
    needs,
    async run(lab) {
      await startTransit(lab, 'mpls-udp-joint')
      for (const [family, ttl] of [
        [4, 1],
        [6, 2],
      ] as const) {
        const packet = testPacket(TO_US[family])
        // What the first one says is not believed.
        const observed = await receive(lab, jointBefore(0, labelled([{ label: 221, ttl: 10 }], packet)))
        checkEqual(expectSent(observed, lab.peers[1]), jointBefore(ttl, labelled([{ label: 3001, ttl: 9 }], packet)), `IPv${family}`)
      }
    },
  },
  {
    name: 'a joint label takes four octets of what fits the underlay',
    needs,
    async run(lab) {
      const { underlayMtu } = lab.harness
      const fits = underlayMtu - (lab.family === 4 ? 20 : 40) - 8 - 4 - 4
      await startOverlay(lab, { encapsulation: 'mpls-udp-joint', mtu: underlayMtu })
      for (const family of FAMILIES) {
        const size = fits - TEST_PACKET_OVERHEAD[family]
        expectSent(await lab.fromPort(1, testPacket({ ...FROM_US[family], size })), lab.peers[0])
        expectDropped(await lab.fromPort(1, testPacket({ ...FROM_US[family], size: size + 1 })), 'mtu-exceeded')
      }
      await startTransit(lab, 'mpls-udp-joint')
      const labelledOf = (octets: number): Uint8Array =>
        labelled([{ label: 221 }], testPacket({ ...TO_US[4], size: octets - TEST_PACKET_OVERHEAD[4] }))
      expectSent(await receive(lab, labelledOf(fits)), lab.peers[1])
      expectDropped(await receive(lab, labelledOf(fits + 1)), 'mtu-exceeded')
    },
  },
  {
    name: 'each part of a packet that is cut has a joint label, and fits',
    needs: { ...needs, offers: ['fragmentation'] },
    async run(lab) {
      const { underlayMtu } = lab.harness
      const fits = underlayMtu - (lab.family === 4 ? 20 : 40) - 8 - 4 - 4
      await startOverlay(lab, { encapsulation: 'mpls-udp-joint', mtu: underlayMtu })
      const size = fits + 1 - TEST_PACKET_OVERHEAD[4]
      const { outputs } = await lab.fromPort(1, testPacket({ ...FROM_US[4], size, dontFragment: false }))
      checkEqual(outputs.length, 2, 'parts')
      for (const output of outputs) {
        const head = [...jointBefore(1, labelled([{ label: 2001, ttl: 255 }], new Uint8Array(0)))]
        check(output.type === 'sent' && output.packet.length <= fits + 8, `a part that does not fit: ${printed(output)}`)
        checkEqual([...output.packet.subarray(0, 8)], head, 'labels of a part')
      }
    },
  },
]

export const jointLabelCases: readonly ConformanceCase[] = [...always, ...sending]
