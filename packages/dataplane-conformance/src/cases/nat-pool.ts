import type { NatPoolObject, NumberRange } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import type { ConformanceCase } from '../conformance-case.js'
import { check, checkEqual, printed } from '../conformance-error.js'
import { checkError } from '../icmp-error.js'
import { expectDelivered, expectDropped, expectSent, type Lab, type Observed } from '../lab.js'
import { BLUE, RED, startOverlay } from '../overlay.js'
import { labelled, TEST_PACKET_OVERHEAD, testPacket, testSegment } from '../packets.js'
import { MOST_EXTENSIONS, partOf, testIcmp, testSctp, withExtensions, withOptions, type TestExtension } from '../packets-of-flows.js'
import { only, type Tables } from '../tables.js'

/*
 *   port 1  red 10.0.0.1 ┐  10.200.0.0/16 → look up in blue, as 172.20.0.1   ┌ 10.200.0.9 behind peer 0, label 2002
 *   port 2  red 10.0.0.2 ┘           (fd00:200::/32, as fd20::1)             └ port 3  blue 10.0.0.1
 */
const needs = { offers: ['nat'] } as const
const CLIENT = { 4: '10.0.0.1', 6: 'fd00::1' } as const
const OTHER = { 4: '10.0.0.2', 6: 'fd00::2' } as const
const POOL = { 4: '172.20.0.1', 6: 'fd20::1' } as const
const SERVER = { 4: '10.200.0.9', 6: 'fd00:200::9' } as const
const FAMILIES = [4, 6] as const

/** The overlay with pools; returns what moves them elsewhere. */
async function start(
  lab: Lab,
  ports: NumberRange = { first: 1024, last: 65_535 },
  gateways: readonly string[] = [],
): Promise<(vrf: number, outside: number) => Promise<void>> {
  const overlay = await startOverlay(lab)
  const tables: Tables = {
    ...overlay,
    ports: overlay.ports.map((port) => ({ ...port, gateways: gateways.map((text) => IpAddress.parse(text)) })),
    nextHops: [...overlay.nextHops, { id: 50, action: { type: 'lookup', vrf: BLUE } }],
    groups: [...overlay.groups, { id: 50, members: [{ nextHop: 50, weight: 1 }], seed: 0 }],
    routes: [
      ...overlay.routes,
      ...['10.200.0.0/16', 'fd00:200::/32'].flatMap((prefix) => [
        { vrf: RED, prefix, group: 50 },
        { vrf: BLUE, prefix, group: 12 },
      ]),
    ],
  }
  const place = (vrf: number, outside: number): Promise<void> =>
    lab.program({
      ...tables,
      natPools: FAMILIES.map((family) => pool({ id: family, vrf, outside, address: IpAddress.parse(POOL[family]), ports })),
    })
  await place(RED, BLUE)
  return place
}

function pool(part: Partial<NatPoolObject>): NatPoolObject {
  return { id: 1, vrf: RED, outside: BLUE, address: IpAddress.parse(POOL[4]), ports: { first: 1, last: 65_535 }, ...part }
}

/** What was sent to peer 0 into blue, without its label. */
function sent(lab: Lab, observed: Observed): Uint8Array {
  const packet = expectSent(observed, lab.peers[0])
  checkEqual(packet.slice(0, 3), labelled([{ label: 2002 }], Uint8Array.of()).slice(0, 3), 'label')
  return packet.slice(4)
}

/** A packet that comes back into blue. */
function receive(lab: Lab, packet: Uint8Array): Promise<Observed> {
  return lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label: 120 }], packet) })
}

export const natPoolCases: readonly ConformanceCase[] = [
  {
    name: 'nat: a flow leaves its VRF with the address of the pool, and its replies find their way back',
    needs,
    async run(lab) {
      await start(lab)
      for (const family of FAMILIES) {
        const request = { source: CLIENT[family], destination: SERVER[family], sourcePort: 4000 }
        checkEqual(
          sent(lab, await lab.fromPort(1, testSegment(request))),
          testSegment({ ...request, source: POOL[family], ttl: 63 }),
          'request',
        )
        const reply = { source: SERVER[family], sourcePort: 80, destinationPort: 4000, flags: 18 }
        const back = expectDelivered(await receive(lab, testSegment({ ...reply, destination: POOL[family] })), 1)
        checkEqual(back, testSegment({ ...reply, destination: CLIENT[family], ttl: 63 }), 'reply')
        expectDropped(await receive(lab, testSegment({ ...reply, destination: POOL[family], destinationPort: 4001 })), 'no-route')
        expectDropped(await receive(lab, testSegment({ ...reply, destination: POOL[family], sourcePort: 81 })), 'no-route')
        expectDelivered(await lab.fromPort(1, testSegment({ source: CLIENT[family], destination: OTHER[family] })), 2)
      }
    },
  },
  {
    name: 'nat: flows and echoes are hidden behind extension headers, what has more of them than are looked through is not: nat-exhausted',
    needs,
    async run(lab) {
      await start(lab)
      const [client, server, address] = [CLIENT[6], SERVER[6], POOL[6]]
      const chain = (count: number): readonly TestExtension[] =>
        Array.from({ length: count }, (_, index) => ({ protocol: index === 0 ? 0 : 60, units: index % 2 }))
      const rest = 4000 * 65_536 + 1
      const messages = [
        (from: string, to: string, ttl = 64) =>
          from === server
            ? testPacket({ source: from, destination: to, sourcePort: 53, destinationPort: 4000, ttl })
            : testPacket({ source: from, destination: to, sourcePort: 4000, destinationPort: 53, ttl }),
        (from: string, to: string, ttl = 64) => testIcmp({ source: from, destination: to, type: from === server ? 129 : 128, rest, ttl }),
      ]
      for (const count of [1, MOST_EXTENSIONS]) {
        const behind = (packet: Uint8Array): Uint8Array => withExtensions(packet, chain(count))
        for (const message of messages) {
          checkEqual(sent(lab, await lab.fromPort(1, behind(message(client, server)))), behind(message(address, server, 63)), 'request')
          const back = await receive(lab, behind(message(server, address)))
          checkEqual(expectDelivered(back, 1), behind(message(server, client, 63)), 'reply')
        }
      }
      for (const message of messages) {
        expectDropped(await lab.fromPort(1, withExtensions(message(client, server), chain(MOST_EXTENSIONS + 1))), 'nat-exhausted')
        expectDropped(await receive(lab, withExtensions(message(server, address), chain(MOST_EXTENSIONS + 1))), 'no-route')
      }
    },
  },
  {
    name: 'nat: a port is shared by flows to different ends, and those to one end get different ports, in the range',
    needs,
    async run(lab) {
      const range = { first: 5000, last: 5002 }
      await start(lab, range)
      const portOf = (packet: Uint8Array): number => packet[20] * 256 + packet[21]
      const request = (source: string, sourcePort: number, host = 9): Uint8Array =>
        testSegment({ source, destination: `10.200.0.${host}`, sourcePort })
      const first = portOf(sent(lab, await lab.fromPort(1, request(CLIENT[4], 5001))))
      const second = portOf(sent(lab, await lab.fromPort(2, request(OTHER[4], 5001))))
      const third = portOf(sent(lab, await lab.fromPort(2, request(OTHER[4], 80))))
      checkEqual(first, 5001, 'a port of the range is kept')
      checkEqual(
        [first, second, third].toSorted((a, b) => a - b),
        [5000, 5001, 5002],
        'ports',
      )
      expectDropped(await lab.fromPort(2, request(OTHER[4], 81)), 'nat-exhausted')
      const shared = portOf(sent(lab, await lab.fromPort(2, request(OTHER[4], 81, 10))))
      check(shared >= range.first && shared <= range.last, `port ${shared} towards another end`)
      for (const [port, client, sourcePort] of [
        [first, 1, 5001],
        [second, 2, 5001],
        [third, 2, 80],
      ]) {
        const reply = { source: SERVER[4], sourcePort: 80, flags: 18 }
        const back = expectDelivered(await receive(lab, testSegment({ ...reply, destination: POOL[4], destinationPort: port })), client)
        checkEqual(back, testSegment({ ...reply, destination: `10.0.0.${client}`, destinationPort: sourcePort, ttl: 63 }), 'reply')
      }
    },
  },
  {
    name: 'nat: echoes are told apart by their identifier',
    needs,
    async run(lab) {
      await start(lab)
      for (const family of FAMILIES) {
        const [type, answer] = family === 4 ? [8, 0] : [128, 129]
        const found: number[] = []
        for (const [port, source] of [
          [1, CLIENT[family]],
          [2, OTHER[family]],
        ] as const) {
          const there = sent(lab, await lab.fromPort(port, testIcmp({ source, destination: SERVER[family], type, rest: 0x1000_0001 })))
          const at = family === 4 ? 24 : 44
          const identifier = there[at] * 256 + there[at + 1]
          const expected = { source: POOL[family], destination: SERVER[family], type, rest: identifier * 65_536 + 1, ttl: 63 }
          checkEqual(there, testIcmp(expected), 'request')
          const reply = { source: SERVER[family], type: answer }
          const packet = testIcmp({ ...reply, destination: POOL[family], rest: identifier * 65_536 + 1 })
          const back = expectDelivered(await receive(lab, packet), port)
          checkEqual(back, testIcmp({ ...reply, destination: source, rest: 0x1000_0001, ttl: 63 }), 'reply')
          found.push(identifier)
        }
        checkEqual(new Set(found).size, 2, 'identifiers')
      }
    },
  },
  {
    name: 'nat: ICMP errors come to the client and quote what it sent (RFC 5508 §4), also those of this router',
    needs: { offers: ['nat', 'port-errors'] },
    async run(lab) {
      await start(lab)
      for (const family of FAMILIES) {
        const request = { source: CLIENT[family], destination: SERVER[family], sourcePort: 4000 }
        const there = sent(lab, await lab.fromPort(1, testSegment(request)))
        const error = { source: SERVER[family], type: family === 4 ? 3 : 1 }
        const found = expectDelivered(await receive(lab, testIcmp({ ...error, destination: POOL[family], body: there })), 1)
        const quoted = testSegment({ ...request, ttl: 63 })
        checkEqual(found, testIcmp({ ...error, destination: CLIENT[family], body: quoted, ttl: 63 }), 'error')
        const last = testSegment({ ...request, ttl: 1 })
        const observed = await lab.fromPort(1, last)
        expectDropped(observed, 'ttl-expired')
        checkEqual(observed.outputs[0]?.packet.slice(family === 4 ? 28 : 48), last, 'packet that this router quotes')
      }
    },
  },
  {
    name: 'nat: an ICMP error about a hidden flow that goes to anybody but who sent what it quotes comes to nobody inside, and does not leave',
    needs,
    async run(lab) {
      await start(lab)
      const another = { 4: '10.200.0.8', 6: 'fd00:200::8' } as const
      for (const family of FAMILIES) {
        const type = family === 4 ? 3 : 1
        const request = { source: CLIENT[family], destination: SERVER[family], sourcePort: 4000 }
        const there = sent(lab, await lab.fromPort(1, testSegment(request)))
        const answer = { source: SERVER[family], sourcePort: 80, destinationPort: 4000, flags: 18 }
        const back = expectDelivered(await receive(lab, testSegment({ ...answer, destination: POOL[family] })), 1)
        const out = (destination: string): Uint8Array => testIcmp({ source: CLIENT[family], destination, type, body: back })
        expectDropped(await lab.fromPort(1, out(another[family])), 'nat-exhausted')
        const told = sent(lab, await lab.fromPort(1, out(SERVER[family])))
        const quoted = testSegment({ ...answer, destination: POOL[family], ttl: 63 })
        checkEqual(
          told,
          testIcmp({ source: POOL[family], destination: SERVER[family], type, body: quoted, ttl: 63 }),
          'error to the server',
        )
        // Blue has a machine of its own at the client's address.
        const error = { source: another[family], destination: CLIENT[family], type, body: there }
        checkEqual(expectDelivered(await receive(lab, testIcmp(error)), 3), testIcmp({ ...error, ttl: 63 }), 'error to a machine outside')
        expectDelivered(await receive(lab, testIcmp({ ...error, destination: POOL[family] })), 1)
      }
    },
  },
  {
    name: 'nat: an ICMP error of a router inside, about a packet that came through the pool, leaves from the address of the pool (RFC 5508 REQ-5)',
    needs,
    async run(lab) {
      await start(lab)
      // Red has a machine of its own at the address of the pool.
      const routers = { 4: ['10.1.0.254', POOL[4]], 6: ['fd01::254', POOL[6]] } as const
      for (const family of FAMILIES) {
        const [tooBig, expired] = family === 4 ? [{ type: 3, code: 4 }, { type: 11 }] : [{ type: 2 }, { type: 3 }]
        const errors = [{ ...tooBig, rest: 1280 }, expired]
        const fromRed = (packet: Uint8Array): Promise<Observed> =>
          lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label: 110 }], packet) })
        const answer = { source: SERVER[family], sourcePort: 80, destinationPort: 4000, flags: 18 }
        sent(lab, await lab.fromPort(1, testSegment({ source: CLIENT[family], destination: SERVER[family], sourcePort: 4000 })))
        const back = expectDelivered(await receive(lab, testSegment({ ...answer, destination: POOL[family] })), 1)
        const quoted = testSegment({ ...answer, destination: POOL[family], ttl: 63 })
        for (const error of errors) {
          const told = testIcmp({ ...error, source: POOL[family], destination: SERVER[family], body: quoted, ttl: 63 })
          for (const source of routers[family]) {
            const found = await fromRed(testIcmp({ ...error, source, destination: SERVER[family], body: back }))
            checkEqual(sent(lab, found), told, `error of ${source}`)
          }
          const beside = testIcmp({ ...error, source: OTHER[family], destination: SERVER[family], body: back })
          checkEqual(sent(lab, await lab.fromPort(2, beside)), told, 'error of what is behind a port')
        }
        // Of what is about nothing known neither the source nor what it quotes may show.
        for (const source of routers[family]) {
          const unknown = testSegment({ ...answer, destination: CLIENT[family], destinationPort: 4001 })
          const error = testIcmp({ ...errors[0], source, destination: SERVER[family], body: unknown })
          expectDropped(await fromRed(error), 'nat-exhausted')
        }
      }
    },
  },
  {
    name: 'nat: policies of an endpoint outside know a flow by the address of the pool, both ways, and so do errors about it',
    needs: { offers: ['nat', 'policy'] },
    async run(lab) {
      const overlay = await startOverlay(lab)
      // That of IPv6 differs from the client's in the middle alone, as addresses of one plan do.
      const outside = { 4: { server: '10.200.0.3', address: POOL[4] }, 6: { server: 'fd00:200::3', address: 'fd00:0:7::1' } }
      const own = FAMILIES.map((family) => IpPrefix.parse(outside[family].server))
      await lab.program({
        ...overlay,
        ports: overlay.ports.map((port) => (port.id === 3 ? { ...port, allowedSources: [...port.allowedSources, ...own] } : port)),
        nextHops: [...overlay.nextHops, { id: 50, action: { type: 'lookup', vrf: BLUE } }],
        groups: [...overlay.groups, { id: 50, members: [{ nextHop: 50, weight: 1 }], seed: 0 }],
        policies: [
          { id: 1, port: 1, direction: 'ingress', rules: [], defaultVerdict: 'deny' },
          { id: 2, port: 3, direction: 'egress', rules: [], defaultVerdict: 'deny' },
          { id: 3, port: 3, direction: 'ingress', rules: [{ verdict: 'allow', protocol: 17 }], defaultVerdict: 'deny' },
        ],
        natPools: FAMILIES.map((family) => pool({ id: family, address: IpAddress.parse(outside[family].address) })),
        routes: [
          ...overlay.routes,
          ...FAMILIES.flatMap((family) => [
            { vrf: RED, prefix: outside[family].server, group: 50 },
            { vrf: BLUE, prefix: outside[family].server, group: 3 },
          ]),
        ],
      })
      for (const family of FAMILIES) {
        const { server, address } = outside[family]
        const type = family === 4 ? 3 : 1
        const there = { destination: server, sourcePort: 4000, destinationPort: 53, size: 40 }
        const request = testPacket({ ...there, source: CLIENT[family] })
        const hidden = testPacket({ ...there, source: address, ttl: 63 })
        checkEqual(expectDelivered(await lab.fromPort(1, request), 3), hidden, 'request')
        const back = { source: server, sourcePort: 53, destinationPort: 4000, size: 40 }
        const reply = testPacket({ ...back, destination: address })
        for (const part of [undefined, { offset: 0, size: 24 }, { offset: 24 }]) {
          const whole = part === undefined ? reply : partOf(reply, part)
          expectDelivered(await lab.fromPort(3, whole), 1)
        }
        expectDropped(await lab.fromPort(3, testPacket({ ...back, destination: address, sourcePort: 54 })), 'policy')
        expectDelivered(await lab.fromPort(3, testIcmp({ source: server, destination: address, type, body: hidden })), 1)
        for (const [destination, body] of [
          [CLIENT[family], hidden],
          [address, reply],
        ] as const) {
          expectDropped(await lab.fromPort(3, testIcmp({ source: server, destination, type, body })), 'policy')
        }
        const received = testPacket({ ...back, destination: CLIENT[family], ttl: 63 })
        const error = await lab.fromPort(1, testIcmp({ source: CLIENT[family], destination: server, type, body: received }))
        const quoted = testPacket({ ...back, destination: address, ttl: 63 })
        const told = testIcmp({ source: address, destination: server, type, body: quoted, ttl: 63 })
        checkEqual(expectDelivered(error, 3), told, 'error')
        const beside = await lab.fromPort(2, testIcmp({ source: OTHER[family], destination: server, type, body: received }))
        checkEqual(expectDelivered(beside, 3), told, 'error of a router inside')
      }
    },
  },
  {
    name: 'nat: fragments are hidden as their first one, what cannot be hidden is dropped',
    needs,
    async run(lab) {
      await start(lab)
      for (const family of FAMILIES) {
        const packet = { destination: SERVER[family], sourcePort: 4000, size: 40 }
        const behind = family === 6 ? withOptions : (plain: Uint8Array): Uint8Array => plain
        const whole = behind(testPacket({ ...packet, source: CLIENT[family] }))
        const expected = behind(testPacket({ ...packet, source: POOL[family], ttl: 63 }))
        expectDropped(await lab.fromPort(1, partOf(whole, { offset: 24 })), 'fragment')
        for (const part of [{ offset: 0, size: 24 }, { offset: 24 }]) {
          checkEqual(sent(lab, await lab.fromPort(1, partOf(whole, part))), partOf(expected, part), `part at ${part.offset}`)
        }
      }
      expectDropped(await lab.fromPort(1, testIcmp({ source: CLIENT[4], destination: SERVER[4], type: 13 })), 'nat-exhausted')
      const error = testIcmp({
        source: CLIENT[4],
        destination: SERVER[4],
        type: 3,
        body: testSegment({ source: SERVER[4], destination: CLIENT[4] }),
      })
      expectDropped(await lab.fromPort(1, error), 'nat-exhausted')
    },
  },
  {
    name: 'nat: who sends a reply that is lost behind the pool is told, where it came from and by the pool’s address',
    needs: { offers: ['nat', 'tunnel-errors'] },
    async run(lab) {
      await start(lab, undefined, ['10.0.0.254', 'fd00::254'])
      for (const family of FAMILIES) {
        const [client, server, address] = [CLIENT[family], SERVER[family], POOL[family]]
        sent(lab, await lab.fromPort(1, testPacket({ source: client, destination: server, sourcePort: 4000, destinationPort: 53 })))
        const back = { source: server, destination: address, sourcePort: 53, destinationPort: 4000 }
        const small = testPacket({ ...back, ttl: 1 })
        const large = testPacket({ ...back, size: 1401 - TEST_PACKET_OVERHEAD[family] })
        // Of the VRF, and of one of its ports.
        for (const label of [120, 103]) {
          for (const [reply, reason, fields] of [
            [small, 'ttl-expired', { type: family === 4 ? 11 : 3, code: 0, rest: 0 }],
            [large, 'mtu-exceeded', { type: family === 4 ? 3 : 2, code: family === 4 ? 4 : 0, rest: 1400 }],
          ] as const) {
            const packet = labelled([{ label }], reply)
            const observed = await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet })
            expectDropped(observed, reason)
            const [output] = observed.outputs
            check(output?.type === 'sent' && output.destination.equals(lab.peers[0]), `no error was sent: ${printed(observed.outputs)}`)
            checkEqual(output.packet.slice(0, 3), labelled([{ label: 2002 }], Uint8Array.of()).slice(0, 3), 'label')
            checkError(output.packet.slice(4), reply, fields, address)
          }
        }
      }
    },
  },
  {
    name: 'nat: SCTP, whose checksum covers the port, is hidden by its own port or not at all (RFC 9260 §6.8)',
    needs,
    async run(lab) {
      await start(lab, { first: 5000, last: 5999 })
      const request = { source: CLIENT[4], destination: SERVER[4], sourcePort: 5001, destinationPort: 3868 }
      const there = sent(lab, await lab.fromPort(1, testSctp(request)))
      checkEqual(there, testSctp({ ...request, source: POOL[4], ttl: 63 }), 'request')
      const reply = { source: SERVER[4], destination: POOL[4], sourcePort: 3868, destinationPort: 5001 }
      checkEqual(expectDelivered(await receive(lab, testSctp(reply)), 1), testSctp({ ...reply, destination: CLIENT[4], ttl: 63 }), 'reply')
      expectDropped(await lab.fromPort(2, testSctp({ ...request, source: OTHER[4] })), 'nat-exhausted')
      expectDropped(await lab.fromPort(2, testSctp({ ...request, source: OTHER[4], sourcePort: 4000 })), 'nat-exhausted')
    },
  },
  {
    name: 'nat: a pool that moves to other VRFs loses its flows',
    needs,
    async run(lab) {
      const move = await start(lab)
      const request = testSegment({ source: CLIENT[4], destination: SERVER[4], sourcePort: 4000 })
      const reply = testSegment({ source: SERVER[4], destination: POOL[4], sourcePort: 80, destinationPort: 4000, flags: 18 })
      sent(lab, await lab.fromPort(1, request))
      expectDelivered(await receive(lab, reply), 1)
      for (const [vrf, outside] of [
        [BLUE, RED],
        [RED, BLUE],
      ]) {
        // prettier-ignore
        await move(vrf, outside)
        expectDropped(await receive(lab, reply), 'no-route')
      }
    },
  },
  {
    name: 'nat: a VRF that another one is hidden in may be hidden itself, also in that one',
    needs,
    async run(lab) {
      const overlay = await startOverlay(lab)
      const both = FAMILIES.flatMap((family) => {
        const [server, address] = family === 4 ? ['10.201.0.9', '172.21.0.1'] : ['fd00:201::9', 'fd21::1']
        return [
          { vrf: RED, outside: BLUE, server: SERVER[family], client: CLIENT[family], port: 1, address: POOL[family], labels: [2002, 120] },
          { vrf: BLUE, outside: RED, server, client: CLIENT[family], port: 3, address, labels: [2001, 110] },
        ]
      })
      await lab.program({
        ...overlay,
        nextHops: [...overlay.nextHops, ...[RED, BLUE].map((vrf) => ({ id: 50 + vrf, action: { type: 'lookup', vrf } as const }))],
        groups: [...overlay.groups, ...[51, 52].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 0 }))],
        natPools: both.map(({ vrf, outside, address }, id) => pool({ id, vrf, outside, address: IpAddress.parse(address) })),
        routes: [
          ...overlay.routes,
          ...both.flatMap(({ vrf, outside, server: prefix }) => [
            { vrf, prefix, group: 50 + outside },
            { vrf: outside, prefix, group: outside === BLUE ? 12 : 11 },
          ]),
        ],
      })
      for (const { server, client, port, address, labels } of both) {
        const request = { destination: server, sourcePort: 4000, destinationPort: 80 }
        const there = expectSent(await lab.fromPort(port, testSegment({ ...request, source: client })), lab.peers[0])
        const expected = labelled([{ label: labels[0] }], testSegment({ ...request, source: address, ttl: 63 }))
        checkEqual(there.slice(0, 3), expected.slice(0, 3), 'label')
        checkEqual(there.slice(4), expected.slice(4), 'request')
        const reply = { source: server, sourcePort: 80, destinationPort: 4000, flags: 18 }
        const packet = labelled([{ label: labels[1] }], testSegment({ ...reply, destination: address }))
        const back = await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet })
        checkEqual(expectDelivered(back, port), testSegment({ ...reply, destination: client, ttl: 63 }), 'reply')
      }
    },
  },
  {
    name: 'nat: malformed pools are refused, two between the same VRFs too',
    needs,
    async run(lab) {
      await start(lab)
      const bad: readonly (readonly [string, NatPoolObject])[] = [
        ['dataplane.range', pool({ id: 9 })],
        ['dataplane.range', pool({ id: 9, vrf: BLUE, outside: RED, ports: { first: 0, last: 1 } })],
        ['dataplane.range', pool({ id: 9, vrf: BLUE, outside: RED, ports: { first: 2, last: 1 } })],
        ['dataplane.dangling-reference', pool({ id: 9, outside: 99 })],
      ]
      for (const [code, object] of bad) {
        const report = await lab.harness.dataplane.apply(only(lab.generation + 1, { natPools: { set: [object], remove: [] } }))
        checkEqual([report.status, ...report.failures.map((failure) => failure.code)], ['refused', code], JSON.stringify(object))
      }
    },
  },
]
