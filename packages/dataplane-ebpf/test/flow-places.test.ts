import { RouteBatch } from '@heddle/core'
import { labelled, testPacket, testSegment, vxlanBefore, type PacketInput } from '@heddle/dataplane-conformance'
import { IpPrefix, MacAddress } from '@heddle/wire'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { byMemory, byProgram } from './support/twins.js'

const MAC = MacAddress.parse('02:00:00:00:00:0a')
/** Another one, by its last octets, and by those before. */
const OTHER_MACS = ['02:00:00:00:00:0b', '02:00:00:01:00:0a'].map((text) => MacAddress.parse(text))
const LABELS = [1001, 1002] as const
/** Flags of a segment in the middle of a connection. */
const ACK = 0x10
/** The last one is like the entry of a label, the last of its stack, and goes to an address like the one that such an entry has: none. */
const VNIS = [42, 43, (LABELS[0] << 12) | 0x100] as const
const NO_MAC = MacAddress.parse('00:00:00:00:00:00')
/** When a thread that changes its CPU has lost what it learnt for good. */
const ATTEMPTS = 100

interface Ends {
  readonly source: string
  readonly destination: string
}
const ENDS: Ends = { source: 'fd01::1', destination: 'fd02::1' }
const out = (ends: Partial<Ends>, isTcp = false): PacketInput => ({
  from: 'port',
  port: 1,
  packet: (isTcp ? testSegment : testPacket)({
    ...ENDS,
    ...ends,
    sourcePort: 5000,
    destinationPort: 80,
    size: 8,
    ...(isTcp && { flags: ACK }),
  }),
})
const inner = testPacket({ source: '10.2.0.1', destination: '10.1.0.1', sourcePort: 80, destinationPort: 5000, size: 8 })
const inner6 = testPacket({ source: 'fd02::1', destination: 'fd01::1', sourcePort: 80, destinationPort: 5000, size: 8 })
const byLabel = (label: number, peer: 0 | 1, packet = inner): PacketInput => ({
  from: 'underlay',
  encapsulation: 'mpls-udp',
  source: PEERS[packet === inner ? 4 : 6][peer],
  packet: labelled([{ label }], packet),
})
const byVni = (vni: number, mac: MacAddress): PacketInput => ({
  from: 'underlay',
  encapsulation: 'vxlan',
  source: PEERS[4][0],
  packet: vxlanBefore(vni, mac, OTHER_MACS[0], inner),
})

/* The place of a flow comes from sums of the words of its addresses, by which two words that change alike change nothing. */
const PAIRS: Readonly<Record<string, readonly [PacketInput, PacketInput]>> = {
  'the protocol': [out({}), out({}, true)],
  'the first words of the source': [out({}), out({ source: 'fd01:1:0:1::1' })],
  'the last words of the source': [out({}), out({ source: 'fd01::1:0:0' })],
  'the first words of the destination': [out({}), out({ destination: 'fd02:1:0:1::1' })],
  'the last words of the destination': [out({}), out({ destination: 'fd02::1:0:0' })],
  'the peer, over IPv4': [byLabel(LABELS[0], 0), byLabel(LABELS[0], 1)],
  'the peer, over IPv6': [byLabel(LABELS[0], 0, inner6), byLabel(LABELS[0], 1, inner6)],
  'the label': [byLabel(LABELS[0], 0), byLabel(LABELS[1], 0)],
  'the encapsulation': [byLabel(LABELS[0], 0), byVni(VNIS[2], NO_MAC)],
  'the VNI': [byVni(VNIS[0], MAC), byVni(VNIS[1], MAC)],
  'the first octets of the router’s MAC address': [byVni(VNIS[0], MAC), byVni(VNIS[0], OTHER_MACS[1])],
  'the last octets of the router’s MAC address': [byVni(VNIS[0], MAC), byVni(VNIS[0], OTHER_MACS[0])],
}

/** A port behind labels and VNIs, and a tunnel. */
async function program(router: EbpfRouter): Promise<void> {
  const routes = new RouteBatch()
  for (const [prefix, group] of [
    ['10.1.0.0/16', 1],
    ['fd01::/16', 1],
    ['fd02::/16', 2],
  ] as const)
    routes.push(1, IpPrefix.parse(prefix), group)
  const tunnel = { type: 'tunnel', encapsulation: 'mpls-udp', local: LOCAL[6], remote: PEERS[6][0], labels: [16] } as const
  const peers = [...PEERS[4], ...PEERS[6]].map((peer) => IpPrefix.of(peer))
  const report = await router.apply({
    ...emptyTransaction(1),
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    ports: { set: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1400 }], remove: [] },
    nextHops: {
      set: [
        { id: 1, action: { type: 'port', port: 1 } },
        { id: 2, action: { ...tunnel, ttlModel: 'pipe', trafficClassModel: 'pipe' } },
      ],
      remove: [],
    },
    groups: { set: [1, 2].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })), remove: [] },
    tunnelSources: { set: [{ id: 1, prefixes: peers }], remove: [] },
    labels: { set: LABELS.map((label) => ({ label, action: { type: 'pop-forward', port: 1 }, sources: 1 })), remove: [] },
    vnis: { set: VNIS.map((vni, index) => ({ vni, vrf: 1, routerMac: index === 2 ? NO_MAC : MAC, sources: 1 })), remove: [] },
    routes,
  })
  expect(report).toMatchObject({ status: 'applied', failures: [] })
  router.parts.maps.set('links', 1, new View(LINK).set('ifindex', 1).bytes)
}

describe.skipIf(missing() !== '')(titled('a flow that is known'), () => {
  let namespace: RouterNamespace
  let router: EbpfRouter
  beforeAll(async () => {
    namespace = new RouterNamespace('places')
    router = await namespace.open({ fibBlocks: 1024, routes: 64, flows: 1024 })
    await program(router)
  })
  afterAll(async () => {
    await router?.close()
    namespace?.close()
  })

  const isKnown = (input: PacketInput): boolean => byMemory(router, input) !== undefined

  it.each(Object.entries(PAIRS))('is not taken for one at the same place that differs by %s', (name, [one, other]) => {
    let judged = 0
    for (const [first, second] of [
      [one, other],
      [other, one],
    ]) {
      // What is dropped is not remembered.
      if (byProgram(router, first).verdict === 'drop') continue
      judged++
      let seen = 0
      for (let attempt = 0; attempt < ATTEMPTS && seen < 5; attempt++) {
        router.parts.maps.forgetDecisions()
        byProgram(router, first)
        if (!isKnown(first)) continue
        expect(isKnown(second)).toBe(false)
        // It takes the place of the first: the two have the same one.
        if (byProgram(router, second).verdict !== 'drop' && isKnown(first)) continue
        seen++
      }
      expect(seen).toBe(5)
    }
    // Only the frames for another router's MAC address are dropped.
    expect(judged).toBe(name.includes('MAC') ? 1 : 2)
  })
})

describe.skipIf(missing() !== '')(titled('flows that are known'), () => {
  it('are as many as a CPU has places, which are more where more flows may come', async () => {
    const places = 4096
    // The thread may be on each CPU in turn.
    const flows = Math.min(60_000, 3000 * cpus().length)
    const namespace = new RouterNamespace('many')
    try {
      await using router = await namespace.open({ fibBlocks: 1024, routes: 64, flows: places * 2 * cpus().length })
      await program(router)
      expect(router.parts.maps.capacity('ways_out')).toBe(places)
      for (let flow = 0; flow < flows; flow++) {
        const packet = testPacket({ ...ENDS, sourcePort: 1024 + flow, destinationPort: 80, size: 8 })
        byProgram(router, { from: 'port', port: 1, packet })
      }
      expect(Math.max(...knownByCpu(router))).toBeGreaterThan(places * 0.45)
    } finally {
      namespace.close()
    }
  })
})

/** Flows out of endpoints that each CPU knows. */
function knownByCpu({ parts: { maps } }: EbpfRouter): number[] {
  const width = maps.valueSize('ways_out') / possibleCpus()
  const known = Array.from({ length: possibleCpus() }, () => 0)
  for (const [, value] of maps.numbered('ways_out')) {
    for (const cpu of known.keys()) if (new DataView(value.buffer, value.byteOffset).getUint32(cpu * width, true) !== 0) known[cpu]++
  }
  return known
}

/** Those that there may be, of which each has its part of a per-CPU map. */
function possibleCpus(): number {
  const ranges = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim().split(',')
  return ranges.reduce((sum, range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return sum + last - first + 1
  }, 0)
}
