import { IpPrefix } from '@heddle/wire'
import type { ConformanceCase } from '../conformance-case.js'
import { checkEqual } from '../conformance-error.js'
import { expectDelivered, expectDropped, expectSent } from '../lab.js'
import { BLUE, RED, startOverlay } from '../overlay.js'
import { labelled, testPacket } from '../packets.js'

export const isolationCases: readonly ConformanceCase[] = [
  {
    name: 'the same destination means another endpoint in another VRF',
    async run(lab) {
      await startOverlay(lab)
      for (const [source, destination] of [
        ['10.0.0.1', '10.1.0.1'],
        ['fd00::1', 'fd01::1'],
      ]) {
        const packet = testPacket({ source, destination })
        const behind = testPacket({ source, destination, ttl: 63 })
        checkEqual(expectSent(await lab.fromPort(1, packet), lab.peers[0]), labelled([{ label: 2001, ttl: 255 }], behind), 'from red')
        checkEqual(expectSent(await lab.fromPort(3, packet), lab.peers[0]), labelled([{ label: 2002, ttl: 255 }], behind), 'from blue')
      }
    },
  },
  {
    name: 'an endpoint of one VRF does not reach an address that only another has',
    async run(lab) {
      await startOverlay(lab)
      for (const [source, destination] of [
        ['10.0.0.1', '10.0.0.2'],
        ['fd00::1', 'fd00::2'],
      ]) {
        expectDelivered(await lab.fromPort(1, testPacket({ source, destination })), 2)
        expectDropped(await lab.fromPort(3, testPacket({ source, destination })), 'no-route')
      }
    },
  },
  {
    name: 'a label of one VRF does not reach an address that only another has',
    async run(lab) {
      await startOverlay(lab)
      const packet = testPacket({ source: '10.1.0.1', destination: '10.0.0.2' })
      const send = (label: number): ReturnType<typeof lab.fromUnderlay> =>
        lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label }], packet) })
      expectDelivered(await send(110), 2)
      expectDropped(await send(120), 'no-route')
    },
  },
  {
    name: 'a next hop that looks up in another VRF reaches it, and a loop of such ends as lookup-loop',
    async run(lab) {
      const tables = await startOverlay(lab)
      const leak = {
        nextHops: [
          { id: 31, action: { type: 'lookup', vrf: RED } as const },
          { id: 32, action: { type: 'lookup', vrf: BLUE } as const },
        ],
        groups: [31, 32].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 0 })),
        routes: [
          { vrf: BLUE, prefix: '10.0.0.2', group: 31 },
          { vrf: BLUE, prefix: '10.9.0.0/16', group: 31 },
          { vrf: RED, prefix: '10.9.0.0/16', group: 32 },
        ],
      }
      await lab.program({
        ...tables,
        nextHops: [...tables.nextHops, ...leak.nextHops],
        groups: [...tables.groups, ...leak.groups],
        routes: [...tables.routes, ...leak.routes],
      })
      expectDelivered(await lab.fromPort(3, testPacket({ source: '10.0.0.1', destination: '10.0.0.2' })), 2)
      expectDropped(await lab.fromPort(3, testPacket({ source: '10.0.0.1', destination: '10.9.0.1' })), 'lookup-loop')
    },
  },
  {
    name: 'the longest prefix wins, and withdrawing it falls back to the shorter',
    async run(lab) {
      const tables = await startOverlay(lab)
      const wide = {
        ...tables,
        routes: [...tables.routes, { vrf: RED, prefix: '0.0.0.0/0', group: 11 }, { vrf: RED, prefix: '::/0', group: 11 }],
      }
      await lab.program(wide)
      const packet = testPacket({ source: '10.0.0.1', destination: '10.0.0.2' })
      expectDelivered(await lab.fromPort(1, packet), 2)
      await lab.program({ ...wide, routes: wide.routes.filter(({ prefix }) => prefix !== '10.0.0.2') })
      expectSent(await lab.fromPort(1, packet), lab.peers[0])
      expectDropped(await lab.fromPort(3, packet), 'no-route')
    },
  },
  {
    name: 'a packet from an address that its port may not use is dropped as source-address',
    async run(lab) {
      await startOverlay(lab)
      for (const [source, destination] of [
        ['10.0.0.2', '10.1.0.1'],
        ['10.0.0.9', '10.0.0.2'],
        ['fd00::2', 'fd01::1'],
        ['127.0.0.1', '10.0.0.2'],
        ['224.0.0.1', '10.0.0.2'],
      ]) {
        expectDropped(await lab.fromPort(1, testPacket({ source, destination })), 'source-address')
      }
    },
  },
  {
    name: 'a port without allowed sources takes any unicast source',
    async run(lab) {
      const tables = await startOverlay(lab)
      await lab.program({ ...tables, ports: tables.ports.map((port) => ({ ...port, allowedSources: [] })) })
      expectDelivered(await lab.fromPort(1, testPacket({ source: '172.16.0.1', destination: '10.0.0.2' })), 2)
      expectDropped(await lab.fromPort(1, testPacket({ source: '127.0.0.1', destination: '10.0.0.2' })), 'source-address')
    },
  },
  {
    name: 'a port that carries one family only gets no packet of the other',
    async run(lab) {
      const tables = await startOverlay(lab)
      const ports = tables.ports.map((port) => (port.id === 1 ? { ...port, allowedSources: [IpPrefix.parse('10.0.0.1')] } : port))
      await lab.program({ ...tables, ports })
      const v6 = testPacket({ source: 'fd01::1', destination: 'fd00::1' })
      expectDropped(
        await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label: 101 }], v6) }),
        'family-unsupported',
      )
    },
  },
  {
    name: 'multicast, broadcast, loopback and link-local destinations are dropped as destination-invalid',
    async run(lab) {
      const tables = await startOverlay(lab)
      await lab.program({
        ...tables,
        routes: [...tables.routes, { vrf: RED, prefix: '0.0.0.0/0', group: 2 }, { vrf: RED, prefix: '::/0', group: 2 }],
      })
      for (const destination of ['224.0.0.5', '255.255.255.255', '127.0.0.1', '169.254.1.1', '0.0.0.0', '240.0.0.1']) {
        expectDropped(await lab.fromPort(1, testPacket({ source: '10.0.0.1', destination })), 'destination-invalid')
      }
      for (const destination of ['ff02::1', '::1', 'fe80::1', '::']) {
        expectDropped(await lab.fromPort(1, testPacket({ source: 'fd00::1', destination })), 'destination-invalid')
      }
    },
  },
  {
    name: 'a discard next hop drops under its own reason or as discard',
    async run(lab) {
      const tables = await startOverlay(lab)
      await lab.program({
        ...tables,
        nextHops: [
          ...tables.nextHops,
          { id: 41, action: { type: 'discard' } },
          { id: 42, action: { type: 'discard', reason: 'no-next-hop' } },
        ],
        groups: [...tables.groups, ...[41, 42].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 0 }))],
        routes: [...tables.routes, { vrf: RED, prefix: '10.41.0.0/16', group: 41 }, { vrf: RED, prefix: '10.42.0.0/16', group: 42 }],
      })
      expectDropped(await lab.fromPort(1, testPacket({ source: '10.0.0.1', destination: '10.41.0.1' })), 'discard')
      expectDropped(await lab.fromPort(1, testPacket({ source: '10.0.0.1', destination: '10.42.0.1' })), 'no-next-hop')
    },
  },
]
