import { ENCAPSULATIONS } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import type { ConformanceCase } from '../conformance-case.js'
import { check, checkEqual, printed } from '../conformance-error.js'
import { checkError, type IcmpFields } from '../icmp-error.js'
import { expectDelivered, expectDropped, expectSent, type Lab, type Observed } from '../lab.js'
import { onesComplementSum } from '../oracle/ip.js'
import { overlay, POD_ADDRESSES, startOverlay, tunnelTo } from '../overlay.js'
import { labelled, mssOption, TEST_PACKET_OVERHEAD, testPacket, testSegment } from '../packets.js'
import type { Tables } from '../tables.js'

const GATEWAYS = ['10.0.0.254', 'fd00::254']
/** Octets of a path that takes little; an IPv6 packet of 1,280 still fits. */
const NARROW = 1340
/** Least MTU of IPv6. */
const LEAST_V6 = 1280
/** Those whose far end is somewhere behind a path. */
const TUNNELS = ENCAPSULATIONS.filter((encapsulation) => encapsulation !== 'mpls').flatMap((encapsulation) =>
  ([4, 6] as const).map((family) => ({ encapsulation, family })),
)
/** How often is sent before a path is taken for never to be learnt. */
const LOOKS = 4000

/** The overlay with port 2 of 1,300 octets, while the others have 1,400. */
async function startNarrow(lab: Lab, options: Parameters<typeof startOverlay>[1] = {}): Promise<Tables> {
  const tables = await startOverlay(lab, options)
  const narrow = { ...tables, ports: tables.ports.map((port) => (port.id === 2 ? { ...port, mtu: 1300 } : port)) }
  await lab.program(narrow)
  return narrow
}

/** The overlay whose red endpoints clamp the MSS, port 2 of 1,300 octets. */
async function startClamping(lab: Lab): Promise<void> {
  const tables = await startNarrow(lab)
  await lab.program({ ...tables, ports: tables.ports.map((port) => (port.id === 3 ? port : { ...port, clampMss: true })) })
}

export const pathMtuCases: readonly ConformanceCase[] = [
  {
    name: 'who sends too large a packet is told the MTU, with the packet quoted (RFC 1191 §4, RFC 8201 §3)',
    needs: { offers: ['port-errors'] },
    async run(lab) {
      await startNarrow(lab, { gateways: GATEWAYS })
      for (const [family, source, destination] of [
        [4, '10.0.0.1', '10.0.0.2'],
        [6, 'fd00::1', 'fd00::2'],
      ] as const) {
        const packet = testPacket({ source, destination, size: 1301 - TEST_PACKET_OVERHEAD[family] })
        const observed = await lab.fromPort(1, packet)
        expectDropped(observed, 'mtu-exceeded')
        expectError(observed, packet, family === 4 ? { type: 3, code: 4, rest: 1300 } : { type: 2, code: 0, rest: 1300 })
      }
    },
  },
  {
    name: 'whose packet runs out of TTL is told, with the packet quoted (RFC 792, RFC 4443 §3.3)',
    needs: { offers: ['port-errors'] },
    async run(lab) {
      await startOverlay(lab, { gateways: GATEWAYS })
      for (const [source, destination, type] of [
        ['10.0.0.1', '10.0.0.2', 11],
        ['fd00::1', 'fd01::1', 3],
      ] as const) {
        const packet = testPacket({ source, destination, ttl: 1 })
        const observed = await lab.fromPort(1, packet)
        expectDropped(observed, 'ttl-expired')
        expectError(observed, packet, { type, code: 0, rest: 0 })
      }
    },
  },
  {
    name: 'whose packet came through a tunnel is told through the VRF',
    needs: { offers: ['tunnel-errors'] },
    async run(lab) {
      await startNarrow(lab, { gateways: GATEWAYS })
      const inner = testPacket({ source: '10.1.0.1', destination: '10.0.0.2', size: 1301 - TEST_PACKET_OVERHEAD[4] })
      for (const label of [102, 110]) {
        for (const [packet, reason, type, rest] of [
          [inner, 'mtu-exceeded', 3, 1300],
          [testPacket({ source: '10.1.0.1', destination: '10.0.0.2', ttl: 1 }), 'ttl-expired', 11, 0],
        ] as const) {
          const observed = await lab.fromUnderlay({
            encapsulation: 'mpls-udp',
            source: lab.peers[0],
            packet: labelled([{ label }], packet),
          })
          expectDropped(observed, reason)
          const [output] = observed.outputs
          check(output?.type === 'sent' && output.destination.equals(lab.peers[0]), `no error was sent back: ${printed(observed.outputs)}`)
          const error = output.packet.subarray(4)
          checkEqual([...output.packet.subarray(0, 3)], [...labelled([{ label: 2001 }], error).subarray(0, 3)], 'label of the error')
          checkError(error, packet, { type, code: type === 3 ? 4 : 0, rest }, gatewayOf(packet))
        }
      }
    },
  },
  {
    name: 'a traceroute sees the far router behind a tunnel of either model (RFC 3443 §3)',
    needs: { offers: ['tunnel-errors'] },
    async run(lab) {
      await startOverlay(lab, { gateways: GATEWAYS })
      for (const [source, destination, type] of [
        ['10.1.0.1', '10.0.0.1', 11],
        ['fd01::1', 'fd00::1', 3],
      ] as const) {
        // The first router has counted down to 1: in the label too (uniform), or in the packet alone (pipe).
        const probe = testPacket({ source, destination, ttl: 1 })
        for (const ttl of [1, 255]) {
          for (const label of [101, 110]) {
            const packet = labelled([{ label, ttl }], probe)
            const observed = await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet })
            expectDropped(observed, 'ttl-expired')
            const [output] = observed.outputs
            check(output?.type === 'sent', `nothing was told of a packet with label ${label}, TTL ${ttl}`)
            const error = output.packet.subarray(4)
            const icmp = error[0] >> 4 === 4 ? 20 : 40
            checkEqual([error[icmp], error.slice(icmp + 8)], [type, probe], 'type, and quoted packet')
          }
        }
      }
    },
  },
  {
    name: 'no error answers an error, or a fragment other than the first',
    needs: { offers: ['port-errors'] },
    async run(lab) {
      await startNarrow(lab, { gateways: GATEWAYS })
      const packet = testPacket({ source: '10.0.0.1', destination: '10.0.0.2', size: 1301 - TEST_PACKET_OVERHEAD[4] })
      const later = withHeader(packet, (bytes) => (bytes[7] = 1))
      const error = withHeader(packet, (bytes) => {
        bytes[9] = 1
        bytes[20] = 3
      })
      for (const silent of [later, error]) {
        const observed = await lab.fromPort(1, silent)
        expectDropped(observed, 'mtu-exceeded')
        checkEqual(observed.outputs, [], 'outputs')
      }
    },
  },
  {
    name: 'a packet that may be fragmented is cut to what the port takes, its parts again too (RFC 791 §3.2)',
    needs: { offers: ['fragmentation'] },
    async run(lab) {
      await startNarrow(lab)
      const size = 1400 - TEST_PACKET_OVERHEAD[4]
      const packet = testPacket({ source: '10.0.0.1', destination: '10.0.0.2', size, dontFragment: false, ttl: 9 })
      const parts = expectParts(await lab.fromPort(1, packet))
      checkEqual(
        parts.map((part) => [part.length, part[6] * 256 + part[7], part[8]]),
        [
          [1300, 0x2000, 8],
          [120, 160, 8],
        ],
        'length, flags and offset, and TTL of the parts',
      )
      checkEqual(joined(parts), packet.slice(20), 'data of the parts')
      const middle = withHeader(packet, (bytes) => bytes.set([0x20, 100], 6))
      checkEqual(
        expectParts(await lab.fromPort(1, middle)).map((part) => part[6] * 256 + part[7]),
        [0x2000 + 100, 0x2000 + 260],
        'flags and offset of the parts of a part',
      )
    },
  },
  {
    name: 'a path that takes less than the underlay is learnt: what exceeds it is told, and other paths take what they took (RFC 1191 §3, RFC 8201 §4)',
    needs: { offers: ['port-errors'], features: ['path-mtu'] },
    async run(lab) {
      const { underlayMtu } = lab.harness
      const [near, far] = lab.peers
      const tables = overlay(lab, { mtu: underlayMtu, gateways: GATEWAYS })
      await lab.program({
        ...tables,
        // Blue is behind another peer.
        nextHops: tables.nextHops.map((hop) => (hop.id === 12 ? { ...hop, action: tunnelTo(lab, 1, 2002) } : hop)),
        labels: [...tables.labels, { label: 300, action: { type: 'swap', nextHop: 11 }, sources: 1 }],
      })
      await lab.attach((port) => POD_ADDRESSES[port].map((address) => IpAddress.parse(address)), underlayMtu)
      const overhead = (lab.family === 4 ? 20 : 40) + 8 + 4
      await lab.harness.narrow?.(near, NARROW)
      await toldOnceLearnt(lab, redPacket(4, underlayMtu - overhead))
      for (const family of [4, 6] as const) {
        const fits = NARROW - overhead
        // Twice: what is known of a flow is not to be believed of what is larger.
        for (let time = 0; time < 2; time++) expectSent(await lab.fromPort(1, redPacket(family, fits)), near)
        const packet = redPacket(family, fits + 1)
        const observed = await lab.fromPort(1, packet)
        expectDropped(observed, 'mtu-exceeded')
        expectError(observed, packet, family === 4 ? { type: 3, code: 4, rest: fits } : { type: 2, code: 0, rest: fits })
        expectSent(await lab.fromPort(3, redPacket(family, underlayMtu - overhead)), far)
        for (const [length, isSent] of [
          [fits, true],
          [fits + 1, false],
        ] as const) {
          const labelledPacket = labelled([{ label: 300 }], redPacket(family, length))
          const swapped = await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: far, packet: labelledPacket })
          if (isSent) expectSent(swapped, near)
          else expectDropped(swapped, 'mtu-exceeded')
        }
      }
      const { pathMtus = [] } = await lab.dump()
      checkEqual(
        pathMtus.map(({ remote, mtu }) => `${remote} ${mtu}`),
        [`${near} ${NARROW}`],
        'paths that are dumped',
      )
    },
  },
  {
    name: 'IPv6 of up to 1,280 octets passes whatever is believed of a path, and nobody is told of less (RFC 8200 §5, RFC 8201 §4)',
    needs: { offers: ['port-errors', 'mss-clamp'], features: ['path-mtu'] },
    async run(lab) {
      const { underlayMtu } = lab.harness
      const [near, far] = lab.peers
      const tables = overlay(lab, { mtu: underlayMtu, gateways: GATEWAYS })
      await lab.program({
        ...tables,
        ports: tables.ports.map((port) => ({ ...port, clampMss: true })),
        labels: [...tables.labels, { label: 300, action: { type: 'swap', nextHop: 11 }, sources: 1 }],
      })
      await lab.attach((port) => POD_ADDRESSES[port].map((address) => IpAddress.parse(address)), underlayMtu)
      const overhead = (lab.family === 4 ? 20 : 40) + 8 + 4
      await lab.harness.narrow?.(near, LEAST_V6)
      await toldOnceLearnt(lab, redPacket(4, underlayMtu - overhead))
      // Twice: what is known of a flow as well.
      for (let time = 0; time < 2; time++) expectSent(await lab.fromPort(1, redPacket(6, LEAST_V6)), near)
      for (const [family, length, fits] of [
        [6, LEAST_V6 + 1, LEAST_V6],
        [4, LEAST_V6, LEAST_V6 - overhead],
      ] as const) {
        const packet = redPacket(family, length)
        const observed = await lab.fromPort(1, packet)
        expectDropped(observed, 'mtu-exceeded')
        expectError(observed, packet, family === 4 ? { type: 3, code: 4, rest: fits } : { type: 2, code: 0, rest: fits })
      }
      const segment = { source: 'fd00::1', destination: 'fd01::1', flags: 2 }
      const syn = expectSent(await lab.fromPort(1, testSegment({ ...segment, options: mssOption(1400) })), near)
      checkEqual(syn.slice(4), testSegment({ ...segment, options: mssOption(LEAST_V6 - 60), ttl: 63 }), 'sent SYN')
      for (const below of [[], [{ label: 400 }], [{ label: 400 }, { label: 401 }]]) {
        const swapped = (family: 4 | 6, length: number): Promise<Observed> => {
          const packet = labelled([{ label: 300 }, ...below], redPacket(family, length))
          return lab.fromUnderlay({ encapsulation: 'mpls-udp', source: far, packet })
        }
        expectSent(await swapped(6, LEAST_V6), near)
        expectDropped(await swapped(6, LEAST_V6 + 1), 'mtu-exceeded')
        expectDropped(await swapped(4, LEAST_V6), 'mtu-exceeded')
      }
    },
  },
  ...TUNNELS.map(({ encapsulation, family }): ConformanceCase => ({
    name: `IPv6 of 1,280 octets passes a path that is believed to take no more, by ${encapsulation} over IPv${family}`,
    needs: { encapsulations: [encapsulation], underlayFamilies: [family], offers: ['port-errors'], features: ['path-mtu'] },
    async run(lab) {
      const { underlayMtu } = lab.harness
      const [near] = lab.harness.peers(family)
      await lab.program(overlay(lab, { mtu: underlayMtu, gateways: GATEWAYS, encapsulation, family }))
      await lab.attach((port) => POD_ADDRESSES[port].map((address) => IpAddress.parse(address)), underlayMtu)
      await lab.harness.narrow?.(near, LEAST_V6)
      await toldOnceLearnt(lab, redPacket(4, LEAST_V6))
      for (let time = 0; time < 2; time++) expectSent(await lab.fromPort(1, redPacket(6, LEAST_V6)), near)
      expectDropped(await lab.fromPort(1, redPacket(6, LEAST_V6 + 1)), 'mtu-exceeded')
    },
  })),
  {
    name: 'IPv6 that an uplink is too small for is dropped, and nobody is told (RFC 8201 §4)',
    needs: { offers: ['port-errors'] },
    async run(lab) {
      const mtu = LEAST_V6 + (lab.family === 4 ? 20 : 40) + 8 + 4
      const tables = overlay(lab, { mtu: lab.harness.underlayMtu, gateways: GATEWAYS })
      const uplink = { id: 9, kind: 'uplink', allowedSources: [], gateways: [] } as const
      await lab.program({ ...tables, ports: [...tables.ports, { ...uplink, mtu }] })
      await lab.attach((port) => POD_ADDRESSES[port].map((address) => IpAddress.parse(address)), lab.harness.underlayMtu)
      expectSent(await lab.fromPort(1, redPacket(6, LEAST_V6)), lab.peers[0])
      await lab.program({ ...tables, ports: [...tables.ports, { ...uplink, mtu: mtu - 1 }] })
      for (const length of [LEAST_V6, LEAST_V6 + 1]) {
        const observed = await lab.fromPort(1, redPacket(6, length))
        expectDropped(observed, 'mtu-exceeded')
        checkEqual(observed.outputs, [], 'outputs')
      }
      expectSent(await lab.fromPort(1, redPacket(6, LEAST_V6 - 1)), lab.peers[0])
      const packet = redPacket(4, LEAST_V6)
      expectError(await lab.fromPort(1, packet), packet, { type: 3, code: 4, rest: LEAST_V6 - 1 })
    },
  },
  {
    name: 'a packet that may be fragmented is cut to what the tunnel takes, each part behind its own headers',
    needs: { offers: ['fragmentation'] },
    async run(lab) {
      const mtu = lab.harness.underlayMtu - (lab.family === 4 ? 20 : 40) - 8 - 4
      await startOverlay(lab, { mtu: lab.harness.underlayMtu, ttlModel: 'uniform' })
      const size = mtu + 1 - TEST_PACKET_OVERHEAD[4]
      const packet = testPacket({ source: '10.0.0.1', destination: '10.1.0.1', size, dontFragment: false })
      const { outputs, drops } = await lab.fromPort(1, packet)
      checkEqual([...drops], [], 'drop counters that moved')
      const parts = outputs.map((output) => {
        check(output.type === 'sent' && output.destination.equals(lab.peers[0]), `expected sending, found ${printed(output)}`)
        checkEqual(output.packet.slice(0, 4), labelled([{ label: 2001, ttl: 63 }], Uint8Array.of()), 'label of a part')
        return output.packet.slice(4)
      })
      checkEqual(parts.length, 2, 'number of parts')
      check(
        parts.every((part) => part.length <= mtu && onesComplementSum(part.subarray(0, 20)) === 0xffff),
        'each part fits, its header sound',
      )
      checkEqual(joined(parts), packet.slice(20), 'data of the parts')
    },
  },
  {
    name: 'the MSS of a SYN is lowered to what its way takes, its checksum kept right (RFC 6691)',
    needs: { offers: ['mss-clamp'] },
    async run(lab) {
      await startClamping(lab)
      for (const [source, destination, headers] of [
        ['10.0.0.1', '10.0.0.2', 40],
        ['fd00::1', 'fd00::2', 60],
      ] as const) {
        const segment = { source, destination, flags: 18 }
        for (const options of [mssOption(1460), [1, ...mssOption(8960), 1, 1, 0]]) {
          const lowered = options.slice()
          lowered.splice(options[0] === 1 ? 1 : 0, 4, ...mssOption(1300 - headers))
          const found = expectDelivered(await lab.fromPort(1, testSegment({ ...segment, options })), 2)
          checkEqual(found, testSegment({ ...segment, options: lowered, ttl: 63 }), 'delivered SYN')
        }
        for (const kept of [
          { ...segment, options: mssOption(536) },
          { ...segment, flags: 16 },
        ]) {
          checkEqual(expectDelivered(await lab.fromPort(1, testSegment(kept)), 2), testSegment({ ...kept, ttl: 63 }), 'segment that stays')
        }
      }
    },
  },
  {
    name: 'the MSS of a SYN is lowered before it is cut, also where only the port that it goes to wants it',
    needs: { offers: ['mss-clamp', 'fragmentation'] },
    async run(lab) {
      const tables = await startNarrow(lab)
      await lab.program({ ...tables, ports: tables.ports.map((port) => (port.id === 2 ? { ...port, clampMss: true } : port)) })
      const segment = { source: '10.0.0.1', destination: '10.0.0.2', size: 1300, dontFragment: false }
      const parts = expectParts(await lab.fromPort(1, testSegment(segment)))
      checkEqual(parts.length, 2, 'number of parts')
      checkEqual(joined(parts), testSegment({ ...segment, options: mssOption(1260) }).slice(20), 'segment of the parts')
    },
  },
  {
    name: 'the MSS of a SYN through a tunnel is lowered both ways, and only for ports that want it',
    needs: { offers: ['mss-clamp'] },
    async run(lab) {
      await startClamping(lab)
      const mtu = Math.min(1400, lab.harness.underlayMtu - (lab.family === 4 ? 20 : 40) - 12)
      const out = { source: '10.0.0.1', destination: '10.1.0.1' }
      const sent = expectSent(await lab.fromPort(1, testSegment(out)), lab.peers[0])
      checkEqual(sent.slice(4), testSegment({ ...out, options: mssOption(mtu - 40), ttl: 63 }), 'sent SYN')
      const blue = expectSent(await lab.fromPort(3, testSegment(out)), lab.peers[0])
      checkEqual(blue.slice(4), testSegment({ ...out, ttl: 63 }), 'SYN of a port that does not clamp')
      const back = { source: '10.1.0.1', destination: '10.0.0.2' }
      const packet = labelled([{ label: 102 }], testSegment(back))
      const delivered = expectDelivered(await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet }), 2)
      checkEqual(delivered, testSegment({ ...back, options: mssOption(1260), ttl: 63 }), 'delivered SYN')
    },
  },
]

/** A packet of so many octets from port 1 into the tunnel of red. */
function redPacket(family: 4 | 6, length: number): Uint8Array {
  const [source, destination] = family === 4 ? ['10.0.0.1', '10.1.0.1'] : ['fd00::1', 'fd01::1']
  return testPacket({ source, destination, size: length - TEST_PACKET_OVERHEAD[family] })
}

/** Sends until the sender is told. Until the path is learnt, a packet that is too large for it is lost on the way, or refused by the dataplane's host. */
async function toldOnceLearnt(lab: Lab, packet: Uint8Array): Promise<void> {
  for (let look = 0; look < LOOKS; look++) {
    if ((await lab.fromPort(1, packet)).outputs.some(({ type }) => type === 'delivered')) return
    // Waits a little.
    await lab.outputs()
  }
  check(false, `nobody was told after ${LOOKS} packets`)
}

/** The parts that port 2 got. */
function expectParts({ outputs, drops }: Observed): Uint8Array[] {
  checkEqual([...drops], [], 'drop counters that moved')
  return outputs.map((output) => {
    check(output.type === 'delivered' && output.port === 2, `expected delivery to port 2, found ${printed(output)}`)
    checkEqual(onesComplementSum(output.packet.subarray(0, 20)), 0xffff, 'sum of the header of a part')
    return output.packet
  })
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part.subarray(20)]))
}

/** The packet with a changed IPv4 header, its checksum made right. */
function withHeader(packet: Uint8Array, change: (bytes: Uint8Array) => unknown): Uint8Array {
  const bytes = packet.slice()
  change(bytes)
  bytes[10] = bytes[11] = 0
  const checksum = 0xffff - onesComplementSum(bytes.subarray(0, 20))
  bytes.set([checksum >> 8, checksum & 255], 10)
  return bytes
}

function expectError({ outputs }: Observed, about: Uint8Array, fields: IcmpFields): void {
  const [error] = outputs
  check(error?.type === 'delivered' && error.port === 1, `no error was told: ${printed(outputs)}`)
  checkError(error.packet, about, fields, gatewayOf(about))
}

/** The address that this router speaks from about a packet. */
function gatewayOf(about: Uint8Array): string {
  return GATEWAYS[about[0] >> 4 === 4 ? 0 : 1]
}
