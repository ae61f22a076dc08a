import { DataplaneError, PORT_COUNTERS, type DataplaneErrorCode, type DataplaneEvent } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import type { ConformanceCase } from '../conformance-case.js'
import { check, checkEqual } from '../conformance-error.js'
import { expectDelivered, expectDropped, type Lab } from '../lab.js'
import { EMPTY } from '../tables.js'
import { overlay, POD_ADDRESSES, startOverlay } from '../overlay.js'
import { echoRequest, testPacket } from '../packets.js'

export const portCases: readonly ConformanceCase[] = [
  {
    name: 'attaching a port twice gives the same device',
    async run(lab) {
      await lab.program(overlay(lab))
      const { dataplane } = lab.harness
      const request = lab.harness.deviceFor(1, addressesOf(1), 1400)
      const facts = await dataplane.attachPort(1, request)
      checkEqual(facts.mtu, 1400, 'MTU of the device')
      checkEqual(await dataplane.attachPort(1, request), facts, 'facts of the second time')
      const devices = (await lab.dump()).devices
      checkEqual(
        devices.map(({ port, ifname, mtu }) => ({ port, ifname, mtu })),
        [{ port: 1, ifname: request.ifname, mtu: 1400 }],
        'devices in the dump',
      )
    },
  },
  {
    name: 'detaching a port removes its device, twice without an error',
    async run(lab) {
      await startOverlay(lab)
      const { dataplane } = lab.harness
      await dataplane.detachPort(2)
      await dataplane.detachPort(2)
      checkEqual(
        (await lab.dump()).devices.map(({ port }) => port).toSorted((a, b) => a - b),
        [1, 3],
        'ports with devices',
      )
      expectDropped(await lab.fromPort(1, testPacket({ source: '10.0.0.1', destination: '10.0.0.2' })), 'port-down')
    },
  },
  {
    name: 'a port that was detached can be attached again',
    async run(lab) {
      await startOverlay(lab)
      await lab.harness.dataplane.detachPort(2)
      await lab.attach((port) => addressesOf(port))
      expectDelivered(await lab.fromPort(1, testPacket({ source: '10.0.0.1', destination: '10.0.0.2' })), 2)
    },
  },
  {
    name: 'attaching a port that no transaction has set fails as dataplane.port-unknown',
    async run(lab) {
      await expectRejected(lab.harness.dataplane.attachPort(9, lab.harness.deviceFor(9, [], 1400)), 'dataplane.port-unknown')
    },
  },
  {
    name: 'events tell of ports that come up and go down',
    async run(lab) {
      await lab.program(overlay(lab))
      const { dataplane } = lab.harness
      const events = dataplane.events[Symbol.asyncIterator]()
      const next = async (): Promise<DataplaneEvent | undefined> => {
        for (;;) {
          const { done, value } = await events.next()
          if (done === true) return undefined
          if (value.type === 'port-up' || value.type === 'port-down') return value
        }
      }
      await dataplane.attachPort(1, lab.harness.deviceFor(1, addressesOf(1), 1400))
      await dataplane.detachPort(1)
      const [up, down] = [await next(), await next()]
      checkEqual(up, { type: 'port-up', port: 1 }, 'first event')
      checkEqual([down?.type, down?.type === 'port-down' && down.port], ['port-down', 1], 'second event')
      await dataplane.close()
      checkEqual(await next(), undefined, 'events after close')
    },
  },
  {
    name: 'events go to the next consumer when one leaves its loop, and start fresh for it',
    async run(lab) {
      await lab.program(overlay(lab))
      const { dataplane } = lab.harness
      const nextPort = async (attach: number): Promise<unknown> => {
        const events = dataplane.events[Symbol.asyncIterator]()
        try {
          await dataplane.attachPort(attach, lab.harness.deviceFor(attach, addressesOf(attach), 1400))
          for (;;) {
            const { done, value } = await events.next()
            if (done === true) return 'ended'
            if (value.type === 'port-up' || value.type === 'port-down') return [value.type, value.port]
          }
        } finally {
          await events.return?.()
        }
      }
      checkEqual(await nextPort(1), ['port-up', 1], 'the first consumer')
      await dataplane.detachPort(1) // while nobody listens
      checkEqual(await nextPort(2), ['port-up', 2], 'the second consumer')
    },
  },
  {
    name: 'a gateway address answers pings of its port and of no other packet',
    async run(lab) {
      await startOverlay(lab, { gateways: ['10.0.0.254', 'fd00::254'] })
      for (const [source, gateway] of [
        ['10.0.0.1', '10.0.0.254'],
        ['fd00::1', 'fd00::254'],
      ]) {
        const reply = expectDelivered(await lab.fromPort(1, echoRequest(IpAddress.parse(source), IpAddress.parse(gateway))), 1)
        const icmp = reply[0] >> 4 === 4 ? 20 : 40
        checkEqual([...reply.subarray(icmp, icmp + 1)], [reply[0] >> 4 === 4 ? 0 : 129], 'ICMP type')
        checkEqual(IpAddress.fromBytes(reply.subarray(icmp === 20 ? 12 : 8, icmp === 20 ? 16 : 24)), IpAddress.parse(gateway), 'source')
        expectDropped(await lab.fromPort(1, testPacket({ source, destination: gateway })), 'no-route')
      }
    },
  },
  {
    name: 'ports count what they take in, give out and drop',
    async run(lab) {
      await startOverlay(lab)
      const packet = testPacket({ source: '10.0.0.1', destination: '10.0.0.2' })
      const before = [await countersOf(lab, 1), await countersOf(lab, 2)]
      await lab.fromPort(1, packet)
      await lab.fromPort(1, packet)
      await lab.fromPort(1, testPacket({ source: '10.0.0.1', destination: '10.77.0.1' }))
      const after = [await countersOf(lab, 1), await countersOf(lab, 2)]
      const moved = after.map((counters, index) => counters.map((value, column) => value - before[index][column]))
      checkEqual(moved[0], [3, packet.length * 3, 0, 0, 1], 'counters of the sending port')
      checkEqual(moved[1], [0, 0, 2, packet.length * 2, 0], 'counters of the receiving port')
    },
  },
  {
    name: 'malformed packets from a port are dropped by reason',
    async run(lab) {
      await startOverlay(lab)
      const packet = testPacket({ source: '10.0.0.1', destination: '10.0.0.2' })
      const wrongChecksum = packet.slice()
      wrongChecksum[10] ^= 1
      expectDropped(await lab.fromPort(1, wrongChecksum), 'inner-malformed')
      expectDropped(await lab.fromPort(1, packet.subarray(0, packet.length - 1)), 'inner-malformed')
      expectDropped(await lab.fromPort(1, Uint8Array.from([0x50, ...packet.subarray(1)])), 'family-unsupported')
    },
  },
]

export const lifecycleCases: readonly ConformanceCase[] = [
  {
    name: 'capabilities stay what they are, and name what the suite needs',
    async run(lab) {
      const { capabilities } = lab.harness.dataplane
      const before = JSON.stringify(capabilities)
      await startOverlay(lab)
      checkEqual(JSON.stringify(lab.harness.dataplane.capabilities), before, 'capabilities')
      check(capabilities.encapsulations.includes('mpls-udp'), 'every dataplane carries mpls-udp')
      check(capabilities.limits.labelStackDepth >= 2, 'MPLS over MPLS needs stacks of two labels')
    },
  },
  {
    name: 'close may be called twice, and everything else fails as dataplane.closed',
    async run(lab) {
      await startOverlay(lab)
      const { dataplane } = lab.harness
      await dataplane.close()
      await dataplane.close()
      await expectRejected(lab.program(EMPTY), 'dataplane.closed')
      await expectRejected(dataplane.dump(), 'dataplane.closed')
      await expectRejected(dataplane.attachPort(1, lab.harness.deviceFor(1, [], 1400)), 'dataplane.closed')
      await expectRejected(dataplane.counters(), 'dataplane.closed')
    },
  },
]

function addressesOf(port: number): IpAddress[] {
  return POD_ADDRESSES[port].map((address) => IpAddress.parse(address))
}

async function countersOf(lab: Lab, port: number): Promise<number[]> {
  const { portIds, ports } = await lab.harness.dataplane.counters()
  const row = portIds.indexOf(port)
  check(row >= 0, `port ${port} is not in the counters`)
  return [...ports.subarray(row * PORT_COUNTERS.length, (row + 1) * PORT_COUNTERS.length)]
}

async function expectRejected(promise: Promise<unknown>, code: DataplaneErrorCode): Promise<void> {
  const found = await promise.then(
    () => 'nothing',
    (error: unknown) => (error instanceof DataplaneError ? error.code : String(error)),
  )
  checkEqual(found, code, 'failure')
}
