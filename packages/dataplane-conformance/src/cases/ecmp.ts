import type { NextHopObject } from '@heddle/core'
import type { ConformanceCase } from '../conformance-case.js'
import { check, checkEqual, printed } from '../conformance-error.js'
import { expectDropped, expectForwarded, packetOf, type Lab } from '../lab.js'
import { RED, startOverlay, tunnelTo } from '../overlay.js'
import { partOf } from '../packets-of-flows.js'
import { testPacket } from '../packets.js'
import type { Tables } from '../tables.js'

const FLOWS = 300
/** Source port of the first flow. */
const FIRST_PORT = 20_000

/** The overlay with a route to 10.8.0.0/16 and fd08::/16 over tunnels to the first three peers. */
async function startEcmp(lab: Lab, weights: readonly number[]): Promise<Tables> {
  const base = await startOverlay(lab)
  const tables = withMembers(
    {
      ...base,
      nextHops: [...base.nextHops, ...[0, 1, 2].map((peer): NextHopObject => ({ id: 60 + peer, action: tunnelTo(lab, peer, 2001) }))],
      routes: [...base.routes, { vrf: RED, prefix: '10.8.0.0/16', group: 60 }, { vrf: RED, prefix: 'fd08::/16', group: 60 }],
    },
    weights,
  )
  await lab.program(tables)
  return tables
}

/** The same tables with other members: the weight of the tunnel to each peer, 0 for none. */
function withMembers(tables: Tables, weights: readonly number[]): Tables {
  const members = weights.flatMap((weight, peer) => (weight === 0 ? [] : [{ nextHop: 60 + peer, weight }]))
  return { ...tables, groups: [...tables.groups.filter(({ id }) => id !== 60), { id: 60, members, seed: 5 }] }
}

/** The peer that each flow goes to. */
async function choices(lab: Lab, flows = FLOWS): Promise<number[]> {
  const packets = Array.from({ length: flows }, (_, flow) => {
    const [source, destination] = flow % 2 === 0 ? ['10.0.0.1', '10.8.0.1'] : ['fd00::1', 'fd08::1']
    return testPacket({ source, destination, sourcePort: FIRST_PORT + flow })
  })
  const chosen = Array.from({ length: flows }, () => -1)
  for (const output of await lab.allFromPort(1, packets)) {
    check(output.type === 'sent', `expected a packet on the underlay, found ${printed(output)}`)
    const packet = packetOf(output)
    const at = packet[0] >> 4 === 4 ? 20 : 40
    chosen[packet[at] * 256 + packet[at + 1] - FIRST_PORT] = lab.peers.findIndex((peer) => peer.equals(output.destination))
  }
  check(!chosen.includes(-1), 'the packet of a flow did not come out at a peer')
  return chosen
}

export const ecmpCases: readonly ConformanceCase[] = [
  {
    name: 'flows are spread over the members of a group by weight',
    async run(lab) {
      await startEcmp(lab, [1, 3])
      const share = (await choices(lab)).filter((peer) => peer === 1).length / FLOWS
      check(share > 0.6 && share < 0.9, `a member with three quarters of the weight gets ${share} of the flows`)
    },
  },
  {
    name: 'the parts of a datagram take one way, though only the first has ports',
    async run(lab) {
      await startEcmp(lab, [1, 1, 1])
      const chosen = new Set<string>()
      for (let flow = 0; flow < 60; flow++) {
        const [source, destination] = flow % 2 === 0 ? [`10.0.0.1`, `10.8.0.${flow}`] : ['fd00::1', `fd08::${flow}`]
        const whole = testPacket({ source, destination, sourcePort: 20_000 + flow, size: 200, dontFragment: false })
        const ways: string[] = []
        for (const part of [
          partOf(whole, { offset: 0, size: 64 }),
          partOf(whole, { offset: 64, size: 64 }),
          partOf(whole, { offset: 128 }),
        ]) {
          const output = expectForwarded(await lab.fromPort(1, part))
          check(output.type === 'sent', `expected a packet on the underlay, found ${printed(output)}`)
          ways.push(String(output.destination))
        }
        checkEqual(new Set(ways).size, 1, 'ways of the parts of one datagram')
        chosen.add(ways[0])
      }
      checkEqual(chosen.size, 3, 'ways of all datagrams')
    },
  },
  {
    name: 'the packets of a flow take one way, whatever is programmed again',
    async run(lab) {
      const tables = await startEcmp(lab, [1, 1, 1])
      const before = await choices(lab, 60)
      await lab.program(tables)
      checkEqual(await choices(lab, 60), before, 'choices after the same tables were programmed again')
    },
  },
  {
    name: 'a member that leaves moves only its own flows, and takes them back when it returns',
    async run(lab) {
      const tables = await startEcmp(lab, [1, 1, 1])
      const before = await choices(lab)
      await lab.program(withMembers(tables, [1, 0, 1]))
      const without = await choices(lab)
      const moved = before.filter((peer, flow) => peer !== 1 && without[flow] !== peer).length
      checkEqual(moved, 0, 'flows of staying members that moved')
      check(!without.includes(1), 'a flow still goes to the member that left')
      await lab.program(tables)
      checkEqual(await choices(lab), before, 'choices after the member returned')
    },
  },
  {
    name: 'the order of the members does not matter',
    async run(lab) {
      const tables = await startEcmp(lab, [1, 2, 1])
      const before = await choices(lab, 60)
      await lab.program({
        ...tables,
        groups: tables.groups.map((group) => (group.id === 60 ? { ...group, members: group.members.toReversed() } : group)),
      })
      checkEqual(await choices(lab, 60), before, 'choices with the members in reverse')
    },
  },
  {
    name: 'a group without members drops as no-next-hop',
    async run(lab) {
      const tables = await startEcmp(lab, [1])
      await lab.program(withMembers(tables, []))
      expectDropped(await lab.fromPort(1, testPacket({ source: '10.0.0.1', destination: '10.8.0.1' })), 'no-next-hop')
    },
  },
]
