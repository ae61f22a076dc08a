import { IpAddress, MacAddress } from '@heddle/wire'
import type { ConformanceCase } from '../conformance-case.js'
import { checkEqual } from '../conformance-error.js'
import { expectDelivered, expectDropped, expectSent, type Lab, type Observed } from '../lab.js'
import { overlay, POD_ADDRESSES } from '../overlay.js'
import { echoRequest, labelled, testPacket } from '../packets.js'
import { testIcmp } from '../packets-of-flows.js'

const needs = { offers: ['ethernet'] } as const
const ROUTER = MacAddress.parse('02:00:00:00:00:fe')
const POD = MacAddress.parse('02:00:00:00:00:01')
const OTHER = MacAddress.parse('02:00:00:00:00:02')
const STRANGER = MacAddress.parse('02:00:00:00:00:03')
const BROADCAST = MacAddress.parse('ff:ff:ff:ff:ff:ff')
const ALL_NODES = MacAddress.parse('33:33:00:00:00:01')
const NO_MAC = MacAddress.parse('00:00:00:00:00:00')
const GATEWAYS = ['10.0.0.254', 'fd00::254']
const IPV4 = 0x0800
const IPV6 = 0x86dd
const ARP = 0x0806

/** The overlay, port 1 an Ethernet device; the device's address, if it is known. */
async function startLink(lab: Lab): Promise<MacAddress | undefined> {
  const tables = overlay(lab, { gateways: GATEWAYS })
  await lab.program({ ...tables, ports: tables.ports.map((port) => (port.id === 1 ? { ...port, link: { mac: ROUTER } } : port)) })
  const facts = await lab.attach((port) => POD_ADDRESSES[port].map((address) => IpAddress.parse(address)))
  return facts.get(1)?.mac
}

function frame(destination: MacAddress, source: MacAddress, etherType: number, payload: Uint8Array): Uint8Array {
  return Uint8Array.from([...destination.toBytes(), ...source.toBytes(), etherType >> 8, etherType & 255, ...payload])
}

function ipFrame(destination: MacAddress, source: MacAddress, packet: Uint8Array): Uint8Array {
  return frame(destination, source, packet[0] >> 4 === 4 ? IPV4 : IPV6, packet)
}

/** An ARP packet (RFC 826). */
function arp(operation: 1 | 2, sender: readonly [MacAddress, string], target: readonly [MacAddress, string]): Uint8Array {
  const ends = [sender, target].flatMap(([mac, address]) => [...mac.toBytes(), ...IpAddress.parse(address).toBytes()])
  return Uint8Array.from([0, 1, 8, 0, 6, 4, 0, operation, ...ends])
}

function asks(lab: Lab, sender: string, target: string): Promise<Observed> {
  return lab.fromPort(1, frame(BROADCAST, POD, ARP, arp(1, [POD, sender], [NO_MAC, target])))
}

/** A neighbour solicitation (RFC 4861 §4.3), with the sender's link-layer address unless it has none yet. */
function solicits(lab: Lab, source: string, target: string): Promise<Observed> {
  const address = IpAddress.parse(target)
  const group = IpAddress.parse(`ff02::1:ff00:${(address.w3 & 0xffff).toString(16)}`)
  const option = source === '::' ? [] : [1, 1, ...POD.toBytes()]
  const body = Uint8Array.from([...address.toBytes(), ...option])
  const packet = testIcmp({ source, destination: group, type: 135, body, ttl: 255 })
  return lab.fromPort(1, ipFrame(MacAddress.parse('33:33:ff:00:00:01'), POD, packet))
}

/** The advertisement that answers (RFC 4861 §4.4). */
function advertisement(target: string, destination: string, flags: number): Uint8Array {
  const body = Uint8Array.from([...IpAddress.parse(target).toBytes(), 2, 1, ...ROUTER.toBytes()])
  return testIcmp({ source: target, destination, type: 136, rest: flags, body, ttl: 255 })
}

const FLAG = { router: 0x8000_0000, solicited: 0x4000_0000, override: 0x2000_0000 } as const

export const ethernetCases: readonly ConformanceCase[] = [
  {
    name: 'ethernet: the router answers ARP for its gateway and for every neighbour, and not for the endpoint itself',
    needs,
    async run(lab) {
      await startLink(lab)
      for (const target of ['10.0.0.254', '10.0.0.2', '10.77.0.1']) {
        const answer = frame(POD, ROUTER, ARP, arp(2, [ROUTER, target], [POD, '10.0.0.1']))
        checkEqual(expectDelivered(await asks(lab, '10.0.0.1', target), 1), answer, `answer for ${target}`)
      }
      expectDropped(await asks(lab, '10.0.0.2', '10.0.0.1'), 'destination-invalid')
    },
  },
  {
    name: 'ethernet: who probes for an address of its own is let alone, who probes for a gateway is told (RFC 5227 §2.1)',
    needs,
    async run(lab) {
      await startLink(lab)
      for (const free of ['10.0.0.1', '10.0.0.7']) expectDropped(await asks(lab, '0.0.0.0', free), 'destination-invalid')
      const answer = frame(POD, ROUTER, ARP, arp(2, [ROUTER, '10.0.0.254'], [POD, '0.0.0.0']))
      checkEqual(expectDelivered(await asks(lab, '0.0.0.0', '10.0.0.254'), 1), answer, 'answer to a probe')
      // Who announces itself asks nothing (RFC 5227 §2.3), nor does who answers.
      expectDropped(await asks(lab, '10.0.0.1', '10.0.0.1'), 'destination-invalid')
      const reply = frame(ROUTER, POD, ARP, arp(2, [POD, '10.0.0.1'], [ROUTER, '10.0.0.254']))
      expectDropped(await lab.fromPort(1, reply), 'destination-invalid')
    },
  },
  {
    name: 'ethernet: neighbour solicitations are answered likewise, and duplicate address detection finds its address free',
    needs,
    async run(lab) {
      await startLink(lab)
      const answers = [
        ['fd00::254', FLAG.router + FLAG.solicited + FLAG.override],
        ['fd00::2', FLAG.router + FLAG.solicited],
      ] as const
      for (const [target, flags] of answers) {
        const answer = ipFrame(POD, ROUTER, advertisement(target, 'fd00::1', flags))
        checkEqual(expectDelivered(await solicits(lab, 'fd00::1', target), 1), answer, `answer for ${target}`)
      }
      for (const free of ['fd00::1', 'fd00::7']) expectDropped(await solicits(lab, '::', free), 'destination-invalid')
      const conflict = ipFrame(ALL_NODES, ROUTER, advertisement('fd00::254', 'ff02::1', FLAG.router + FLAG.override))
      checkEqual(expectDelivered(await solicits(lab, '::', 'fd00::254'), 1), conflict, 'answer to a probe for the gateway')
      // One that ends within its target is none (RFC 4861 §7.1.1), though the frame goes on as if it did not.
      const target = IpAddress.parse('fd00::254').toBytes()
      const cut = testIcmp({ source: 'fd00::1', destination: 'ff02::1:ff00:254', type: 135, body: target.subarray(0, 8), ttl: 255 })
      const short = ipFrame(MacAddress.parse('33:33:ff:00:00:01'), POD, Uint8Array.from([...cut, ...target.subarray(8)]))
      expectDropped(await lab.fromPort(1, short), 'destination-invalid')
    },
  },
  {
    name: 'ethernet: packets go out and come in behind a header of the link, to whoever sent last, and before that to the device, or all',
    needs,
    async run(lab) {
      const device = await startLink(lab)
      const back = labelled([{ label: 101 }], testPacket({ source: '10.1.0.1', destination: '10.0.0.1' }))
      const receive = (): Promise<Observed> => lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: back })
      const delivered = testPacket({ source: '10.1.0.1', destination: '10.0.0.1', ttl: 63 })
      checkEqual(
        expectDelivered(await receive(), 1),
        ipFrame(device ?? BROADCAST, ROUTER, delivered),
        'frame to an endpoint that never spoke',
      )
      const out = testPacket({ source: '10.0.0.1', destination: '10.1.0.1' })
      // A frame has at least 60 octets.
      const padded = Uint8Array.from([...ipFrame(ROUTER, POD, out), 0, 0, 0])
      const sent = expectSent(await lab.fromPort(1, padded), lab.peers[0])
      checkEqual(sent.subarray(4), testPacket({ source: '10.0.0.1', destination: '10.1.0.1', ttl: 63 }), 'packet behind the label')
      checkEqual(expectDelivered(await receive(), 1), ipFrame(POD, ROUTER, delivered), 'frame to an endpoint that spoke')
      const near = testPacket({ source: 'fd00::2', destination: 'fd00::1', ttl: 63 })
      const from2 = await lab.fromPort(2, testPacket({ source: 'fd00::2', destination: 'fd00::1' }))
      checkEqual(expectDelivered(from2, 1), ipFrame(POD, ROUTER, near), 'frame with an IPv6 packet')
      const to2 = await lab.fromPort(1, ipFrame(ROUTER, POD, testPacket({ source: '10.0.0.1', destination: '10.0.0.2' })))
      checkEqual(
        expectDelivered(to2, 2),
        testPacket({ source: '10.0.0.1', destination: '10.0.0.2', ttl: 63 }),
        'packet to a port without a link',
      )
      const [pod, gateway] = ['10.0.0.1', '10.0.0.254'].map((text) => IpAddress.parse(text))
      const pong = expectDelivered(await lab.fromPort(1, ipFrame(ROUTER, POD, echoRequest(pod, gateway))), 1)
      checkEqual(pong.subarray(0, 14), ipFrame(POD, ROUTER, Uint8Array.of(0x45)).subarray(0, 14), 'header of the answer of the gateway')
    },
  },
  {
    name: 'ethernet: whoever else is behind the device is not taken for the endpoint: other senders, addresses that are not allowed, frames for others',
    needs,
    async run(lab) {
      await startLink(lab)
      expectDropped(
        await lab.fromPort(1, frame(BROADCAST, POD, ARP, arp(1, [POD, '10.0.0.1'], [NO_MAC, '10.0.0.1']))),
        'destination-invalid',
      )
      const others = [
        [ipFrame(ROUTER, OTHER, testPacket({ source: '10.9.9.9', destination: '10.1.0.1' })), 'source-address'],
        [frame(BROADCAST, OTHER, ARP, arp(1, [OTHER, '10.0.0.2'], [NO_MAC, '10.0.0.1'])), 'destination-invalid'],
        [ipFrame(STRANGER, OTHER, testPacket({ source: '10.0.0.1', destination: '10.1.0.1' })), 'destination-invalid'],
      ] as const
      const delivered = testPacket({ source: '10.1.0.1', destination: '10.0.0.1', ttl: 63 })
      for (const [bytes, reason] of others) {
        expectDropped(await lab.fromPort(1, bytes), reason)
        const packet = labelled([{ label: 101 }], testPacket({ source: '10.1.0.1', destination: '10.0.0.1' }))
        const came = await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet })
        checkEqual(expectDelivered(came, 1), ipFrame(POD, ROUTER, delivered), 'frame to the endpoint, and not to who was heard behind it')
      }
    },
  },
  {
    name: 'ethernet: frames for others, without IP, or from an address that is not allowed go nowhere',
    needs,
    async run(lab) {
      await startLink(lab)
      const packet = testPacket({ source: '10.0.0.1', destination: '10.1.0.1' })
      const drops = [
        ['for another address', ipFrame(OTHER, POD, packet), 'destination-invalid'],
        ['broadcast', ipFrame(BROADCAST, POD, packet), 'destination-invalid'],
        ['neither IPv4 nor IPv6', frame(ROUTER, POD, 0x88cc, packet), 'family-unsupported'],
        ['IPv4 that says it is IPv6', frame(ROUTER, POD, IPV6, packet), 'inner-malformed'],
        ['without a packet', frame(ROUTER, POD, IPV4, Uint8Array.of()), 'inner-malformed'],
        [
          'from a source that is not allowed',
          ipFrame(ROUTER, POD, testPacket({ source: '10.9.9.9', destination: '10.1.0.1' })),
          'source-address',
        ],
      ] as const
      for (const [what, bytes, reason] of drops) {
        const observed = await lab.fromPort(1, bytes)
        checkEqual([...observed.drops], [[reason, 1]], what)
        checkEqual(observed.outputs, [], `outputs of a frame ${what}`)
      }
    },
  },
  {
    name: 'ethernet: a frame that is shorter than its header goes nowhere',
    needs: { ...needs, features: ['short-frames'] },
    async run(lab) {
      await startLink(lab)
      const packet = testPacket({ source: '10.0.0.1', destination: '10.1.0.1' })
      expectDropped(await lab.fromPort(1, frame(ROUTER, POD, IPV4, packet).subarray(0, 13)), 'inner-malformed')
    },
  },
]
