import {
  EMPTY,
  greBefore,
  labelled,
  testPacket,
  transition,
  vxlanBefore,
  type PacketInput,
  type Tables,
  type WireEncapsulation,
} from '@heddle/dataplane-conformance'
import { IpPrefix, MacAddress } from '@heddle/wire'
import { rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { byProgram, bytesOf, CARRIED } from './support/twins.js'

const SPACE = 'carried'
const [XDP_PASS, XDP_TX] = [2, 3]
const ETHERNET = 14
const [OWN_MAC, FAR_MAC] = [MacAddress.of(0x020000, 1), MacAddress.of(0x020000, 2)]
/** A label of a port, and one that is swapped; a VNI of the port's VRF, and one of a VRF that leads into a tunnel. */
const ID = { inside: 101, across: 102 } as const

const TABLES: Tables = {
  ...EMPTY,
  vrfs: [1, 2].map((id) => ({ id, name: `vrf ${id}` })),
  ports: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1400 }],
  nextHops: [
    { id: 1, action: { type: 'port', port: 1 } },
    ...CARRIED.map((encapsulation, index) => ({
      id: 2 + index,
      action: {
        type: 'tunnel',
        local: LOCAL[4],
        remote: PEERS[4][1],
        ...(encapsulation === 'vxlan' ? { encapsulation, vni: 200, routerMac: FAR_MAC, labels: [] } : { encapsulation, labels: [200] }),
        ttlModel: 'uniform',
        trafficClassModel: 'uniform',
      } as const,
    })),
  ],
  tunnelSources: [{ id: 1, prefixes: [IpPrefix.of(PEERS[4][0])] }],
}

/** Tables of a router that sends on by one of the encapsulations it carries. */
function tables(carried: readonly WireEncapsulation[]): Tables {
  const out = 2 + CARRIED.indexOf(carried[0])
  return {
    ...TABLES,
    nextHops: TABLES.nextHops.filter(({ id }) => id === 1 || id === out),
    groups: [1, out].map((nextHop, index) => ({ id: index + 1, members: [{ nextHop, weight: 1 }], seed: 1 })),
    labels: [
      { label: ID.inside, action: { type: 'pop-forward', port: 1 }, sources: 1 },
      { label: ID.across, action: { type: 'pop-lookup', vrf: 2 }, sources: 1 },
    ],
    vnis: carried.includes('vxlan')
      ? [
          { vni: ID.inside, vrf: 1, sources: 1, routerMac: OWN_MAC },
          { vni: ID.across, vrf: 2, sources: 1, routerMac: OWN_MAC },
        ]
      : [],
    routes: [1, 2].map((vrf) => ({ vrf, prefix: '10.1.0.0/16', group: vrf })),
  }
}

function input(encapsulation: WireEncapsulation, id: number, isJoint = false): PacketInput {
  const inside = testPacket({ source: '10.2.0.1', destination: '10.1.0.1', ttl: 60 })
  const stack = Uint8Array.from([...(isJoint ? [0x0c, 0, 0, 1] : []), ...labelled([{ label: id }], inside)])
  const packet = {
    'mpls-udp': () => stack,
    'mpls-gre': () => greBefore(stack),
    vxlan: () => vxlanBefore(id, OWN_MAC, FAR_MAC, inside),
  }
  return { from: 'underlay', encapsulation, source: PEERS[4][0], packet: packet[encapsulation as keyof typeof packet]() }
}

function frameOf(sent: PacketInput): Uint8Array {
  return Uint8Array.from([...new Uint8Array(ETHERNET - 2).fill(0xee), 8, 0, ...bytesOf(sent)])
}

describe.skipIf(missing() !== '')(titled('encapsulations'), () => {
  let space: RouterNamespace
  let pinDirectory: string
  let router: EbpfRouter | undefined

  beforeEach(() => {
    pinDirectory = makeFolder('carried')
    space = new RouterNamespace(SPACE)
    const inside = (line: string): string => space.namespaces.in(SPACE, ...line.split(' '))
    inside(`ip address add ${LOCAL[4]}/24 dev up0`)
    inside(`ip neighbour add ${PEERS[4][1]} lladdr 02:00:00:00:00:02 nud permanent dev up0`)
    inside('sysctl -qw net.ipv4.conf.up0.forwarding=1')
  })
  afterEach(async () => {
    await router?.close()
    router = undefined
    space.close()
    rmSync(pinDirectory, { recursive: true, force: true })
  })

  async function open(encapsulations: readonly WireEncapsulation[]): Promise<EbpfRouter> {
    router = await space.open({ encapsulations, pinDirectory, fibBlocks: 1024, routes: 64, flows: 1024 })
    return router
  }

  /** The first packet of a CPU to a neighbour goes by the kernel. */
  function across(there: EbpfRouter, encapsulation: WireEncapsulation): number {
    for (let attempt = 1; ; attempt++) {
      const { verdict } = there.run('across', frameOf(input(encapsulation, ID.across)), 0, 1, space.namespaces.path(SPACE))
      if (verdict !== XDP_PASS || attempt === 5) return verdict
    }
  }

  // Programs took MPLS over UDP whether or not it was to be carried.
  it.each(CARRIED)('leave packets of %s to the host when it is left out, and take the others', async (left) => {
    const carried = CARRIED.filter((encapsulation) => encapsulation !== left)
    const there = await open(carried)
    expect(await there.apply(transition(1, EMPTY, tables(carried)))).toMatchObject({ status: 'applied', failures: [] })
    there.parts.maps.set('links', 1, new View(LINK).set('ifindex', 1).bytes)
    for (const encapsulation of CARRIED) {
      const [inside, sent] = encapsulation === left ? ['pass', XDP_PASS] : ['deliver', XDP_TX]
      for (const isJoint of encapsulation === 'mpls-udp' ? [false, true] : [false]) {
        const { verdict } = byProgram(there, input(encapsulation, ID.inside, isJoint))
        expect([encapsulation, isJoint, verdict]).toEqual([encapsulation, isJoint, inside])
      }
      expect([encapsulation, across(there, encapsulation)]).toEqual([encapsulation, sent])
    }
  })

  it('are asked about flows that are known from a dataplane which carried more', async () => {
    const known = input('mpls-udp', ID.inside)
    const before = await open(CARRIED)
    expect(await before.apply(transition(1, EMPTY, tables(['mpls-gre'])))).toMatchObject({ status: 'applied', failures: [] })
    before.parts.maps.set('links', 1, new View(LINK).set('ifindex', 1).bytes)
    expect(byProgram(before, known).verdict).toBe('deliver')
    await before.close({ keep: true })
    const after = await open(['mpls-gre'])
    expect(byProgram(after, known).verdict).toBe('pass')
  })
})
