// What a node finds out about its underlay where its configuration does not say it, by the kernel's own tables.
import { Netlink } from '@heddle/linux'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Namespaces } from '../../dataplane-tun/test/support/namespaces.js'
import { because, missing } from '../../linux/test/support.js'
import { UnderlayWays } from '../src/node/underlay-ways.js'

const LOCAL = '192.0.2.1'

describe.skipIf(missing !== '')(`ways of an underlay${because}`, () => {
  let namespaces: Namespaces
  let netlink: Netlink
  beforeEach(async () => {
    namespaces = new Namespaces()
    namespaces.add('node')
    netlink = await Netlink.open(namespaces.path('node'))
  })
  afterEach(() => {
    netlink.close()
    namespaces.close()
  })

  const ip = (words: string): string => namespaces.in('node', 'ip', ...words.split(' '))
  const ways = (...neighbors: string[]): UnderlayWays =>
    new UnderlayWays(
      { node: { name: 'node', address: LOCAL }, bgp: { as: 65_000, neighbors: neighbors.map((address) => ({ address, as: 65_000 })) } },
      netlink,
    )
  /** A device that is up, with another one at its far end. */
  const cable = (name: string, mtu: number): void => {
    ip(`link add ${name} mtu ${mtu} type veth peer far-${name} mtu ${mtu}`)
    for (const end of [name, `far-${name}`]) ip(`link set ${end} up`)
  }

  it('begin at the device that a neighbour is named by, whatever its address, and with the smallest packets of all', async () => {
    ip(`address add ${LOCAL}/32 dev lo`)
    cable('east', 1_400)
    cable('west', 1_300)
    for (const name of ['%east', 'fe80::2%east', '198.51.100.2%east']) {
      expect(await ways(name).uplink()).toBe('east')
      expect(await ways(name).smallestMtu()).toBe(1_400)
      expect(await ways(name, '%west').uplink()).toBe('east')
      expect(await ways('%west', name).smallestMtu()).toBe(1_300)
    }
  })

  it('are those of others where a device of a neighbour is not there, or no neighbour has an address of the family', async () => {
    ip(`address add ${LOCAL}/24 dev lo`)
    cable('east', 1_400)
    ip('route add 198.51.100.0/24 dev east')
    for (const name of ['%none', 'fe80::2%none', '198.51.100.2%none', '%a-name-of-seventeen', '2001:db8::2', LOCAL, '%lo']) {
      expect(await ways(name, '198.51.100.2').uplink()).toBe('east')
      expect(await ways(name, '198.51.100.2').smallestMtu()).toBe(1_400)
    }
  })

  it('are not taken to begin at the loopback device, which has the address before they are there', async () => {
    ip(`address add ${LOCAL}/32 dev lo`)
    const why = `no way leads to a neighbour yet, and no link but lo has the address ${LOCAL}: the key dataplane.uplink names one`
    for (const name of ['198.51.100.2', '%lo', '%east'])
      await expect(ways(name).uplink()).rejects.toMatchObject({ code: 'dataplane.device', message: expect.stringContaining(why) })
    expect(await ways('198.51.100.2').smallestMtu()).toBe(1_500)
    cable('east', 1_400)
    ip('route add 198.51.100.0/24 dev east')
    for (const name of ['198.51.100.2', '%east']) {
      expect(await ways(name).uplink()).toBe('east')
      expect(await ways(name).smallestMtu()).toBe(1_400)
    }
  })

  it('begin at a link that has the address, beside the loopback device too, where none is known', async () => {
    ip(`address add ${LOCAL}/32 dev lo`)
    cable('east', 1_400)
    ip(`address add ${LOCAL}/32 dev east`)
    for (const neighbors of [[], ['198.51.100.2']]) {
      expect(await ways(...neighbors).uplink()).toBe('east')
      expect(await ways(...neighbors).smallestMtu()).toBe(1_400)
    }
  })

  it('are to be named where no link has the address', async () => {
    const why = `no way leads to a neighbour yet, and no link has the address ${LOCAL}`
    for (const asked of [ways('198.51.100.2').uplink(), ways('198.51.100.2').smallestMtu()])
      await expect(asked).rejects.toMatchObject({ code: 'dataplane.device', message: expect.stringContaining(why) })
  })
})
