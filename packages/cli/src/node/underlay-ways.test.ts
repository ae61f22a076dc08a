// Of links of kinds that a kernel may not have; others are in test/underlay-ways.test.ts, by a kernel's own tables.
import { LinuxError, type Link, type LinkAddress, type RouteLookup, type RouteLookupOptions } from '@heddle/linux'
import { expect, it } from 'vitest'
import { UnderlayWays } from './underlay-ways.js'

const LOCAL = '192.0.2.1'
const UPLINK: Link = { index: 7, name: 'eth0', kind: '', mtu: 1_400, up: true, state: 'up' }
const inner = (kind: string): Link => ({ index: 9, name: 'inner', kind, mtu: 1_500, up: true, state: 'unknown' })

/** Ways of a host with `eth0` and another link, both with the address where the host has it. @param routed destination and link of what is routed by `eth0` */
function ways(other: Link, holders: readonly Link[], routed: string, ...neighbors: string[]): UnderlayWays {
  const links = [UPLINK, other]
  const refuse = (code: string): never => {
    throw new LinuxError(code, 1, 'test', 'refused')
  }
  const holds = ({ index }: Link): LinkAddress => ({ index, address: LOCAL, prefixLength: 32, tentative: false, permanent: true })
  const lookup = (destination: string, { link }: RouteLookupOptions = {}): RouteLookup => {
    if (`${destination} ${link ?? ''}`.trim() !== routed) refuse('ENETUNREACH')
    return { kind: 'unicast', index: UPLINK.index, link: UPLINK.name, mtu: UPLINK.mtu, table: 254 }
  }
  const document = {
    node: { name: 'node', address: LOCAL },
    bgp: { as: 65_000, neighbors: neighbors.map((address) => ({ address, as: 1 })) },
  }
  return new UnderlayWays(document, {
    links: { get: async (wanted) => links.find(({ index, name }) => [index, name].includes(wanted)) ?? refuse('ENODEV') },
    addresses: { list: async () => holders.map(holds) },
    routes: { lookup: async (destination, options) => lookup(destination, options) },
  })
}

it.each(['dummy', 'vrf'])('no way begins at a link of kind %s, which has the address before there is one', async (kind) => {
  const other = inner(kind)
  for (const neighbor of ['198.51.100.2', '%inner', 'fe80::2%inner', '%not-there']) {
    const early = ways(other, [other], '', neighbor)
    const why = `no way leads to a neighbour yet, and no link but inner has the address ${LOCAL}: the key dataplane.uplink names one`
    await expect(early.uplink()).rejects.toMatchObject({ code: 'dataplane.device', message: expect.stringContaining(why) })
    expect(await early.smallestMtu()).toBe(1_500)
    expect(await ways(other, [other, UPLINK], '', neighbor).uplink()).toBe('eth0')
  }
  expect(await ways(other, [other], '198.51.100.2', '198.51.100.2').uplink()).toBe('eth0')
})

it('behind the device of a VRF that is a neighbour’s the table of that VRF says the way', async () => {
  const vrf = inner('vrf')
  const there = ways(vrf, [vrf], '198.51.100.2 9', '198.51.100.2%inner')
  expect([await there.uplink(), await there.smallestMtu()]).toEqual(['eth0', 1_400])
  await expect(ways(vrf, [vrf], '198.51.100.2 9', '2001:db8::2%inner').uplink()).rejects.toMatchObject({ code: 'dataplane.device' })
  await expect(ways(inner('dummy'), [vrf], '198.51.100.2 9', '198.51.100.2%inner').uplink()).rejects.toMatchObject({
    code: 'dataplane.device',
  })
})

it('what is no refusal of the kernel is told', async () => {
  const tables = {
    links: { get: () => Promise.reject(new TypeError('broken')) },
    addresses: { list: async () => [] },
    routes: { lookup: () => Promise.reject(new TypeError('broken')) },
  }
  const broken = new UnderlayWays(
    { node: { name: 'node', address: LOCAL }, bgp: { as: 1, neighbors: [{ address: '%eth0', as: 1 }] } },
    tables,
  )
  await expect(broken.uplink()).rejects.toThrow('broken')
  await expect(broken.smallestMtu()).rejects.toThrow('broken')
})
