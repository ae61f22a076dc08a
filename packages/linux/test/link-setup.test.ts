import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Netlink, NetworkNamespace, TunDevice } from '../src/index.js'
import { because, missing, namespaces } from './support.js'

describe.skipIf(missing !== '')(`a link that is set up in one call${because}`, () => {
  const made = namespaces()
  let here: NetworkNamespace
  let there: NetworkNamespace
  let near: Netlink
  let far: Netlink

  beforeAll(async () => {
    ;[here, there] = [await made.create(), await made.create()]
    ;[near, far] = [await Netlink.open(here), await Netlink.open(there)]
  })

  afterAll(() => {
    near.close()
    far.close()
  })

  const addressesOf = async (netlink: Netlink, link: string): Promise<string[]> =>
    (await netlink.addresses.list(link)).map(({ address, prefixLength }) => `${address}/${prefixLength}`).sort()
  /** `destination metric` of the routes that lead to a link. */
  const routesOf = async (netlink: Netlink, link: string): Promise<string[]> => {
    const { index } = await netlink.links.get(link)
    const routes = await netlink.routes.list({ table: 254 })
    return routes
      .filter(({ nextHops, destination }) => nextHops[0]?.link === index && !destination.startsWith('fe80'))
      .map(({ destination, metric }) => `${destination} ${metric}`)
      .filter((text) => !text.startsWith('fd00:1::1/128 ')) // what the kernel makes of the address
      .sort()
  }

  it('is a veth pair across namespaces, both ends as they shall be', async () => {
    const setup = { mtu: 1400, linkLocal: false, up: true }
    const { end: host, peer } = await near.links.createVeth({
      name: 'host0',
      peer: 'eth0',
      peerNamespace: there,
      mtu: 1400,
      peerMac: '02:58:0a:00:00:01',
      setup,
      peerSetup: { ...setup, resolves: false, addresses: ['10.0.0.1/32', 'fd00:1::1'], routes: ['0.0.0.0/0', '::/0'] },
    })
    expect(peer).toEqual(await far.links.get('eth0'))
    expect(host).toMatchObject({ name: 'host0', kind: 'veth', mtu: 1400, peer: peer.index, up: true })
    expect(peer).toMatchObject({ mtu: 1400, up: true, mac: '02:58:0a:00:00:01', peer: host.index })
    expect(await addressesOf(far, 'eth0')).toEqual(['10.0.0.1/32', 'fd00:1::1/128'])
    expect((await far.addresses.list('eth0')).some(({ tentative }) => tentative)).toBe(false)
    expect(await routesOf(far, 'eth0')).toEqual(['0.0.0.0/0 0', '::/0 1024'])
    expect(await addressesOf(near, 'host0')).toEqual([])
  })

  it('is a pair that is down until it is raised, with addresses that are usable at once then', async () => {
    const peerSetup = { linkLocal: false, addresses: ['10.0.7.1/32', 'fd00:7::1'] }
    const { end, peer } = await near.links.createVeth({ name: 'host7', peer: 'eth7', peerNamespace: there, peerSetup })
    expect([end.up, peer.up]).toEqual([false, false])
    await near.links.raiseVeth(end.index, peer.index, { peerNamespace: there, peerRoutes: ['203.0.113.0/24'] })
    expect([(await near.links.get('host7')).up, (await far.links.get('eth7')).up]).toEqual([true, true])
    expect((await far.addresses.list('eth7')).map(({ tentative }) => tentative)).toEqual([false, false])
    expect(await routesOf(far, 'eth7')).toEqual(expect.arrayContaining(['203.0.113.0/24 0']))
    await expect(near.links.raiseVeth(end.index, 4711, { peerNamespace: there })).rejects.toMatchObject({ code: 'ENODEV' })
    await near.links.delete(end.index)
  })

  it('has the addresses that it shall have and no others, its link-local ones apart', async () => {
    await far.addresses.add('eth0', '10.9.9.9/24')
    await far.addresses.add('eth0', 'fe80::7/64', { noDad: true })
    const wanted = { addresses: ['10.0.0.2/32', 'fd00:1::1/128'], routes: ['0.0.0.0/0'], up: true }
    await far.links.setUp('eth0', { ...wanted, onlyThese: true })
    expect(await addressesOf(far, 'eth0')).toEqual(['10.0.0.2/32', 'fd00:1::1/128', 'fe80::7/64'])
    await far.links.setUp('eth0', { ...wanted, addresses: ['10.0.0.3/32'] })
    expect(await addressesOf(far, 'eth0')).toEqual(['10.0.0.2/32', '10.0.0.3/32', 'fd00:1::1/128', 'fe80::7/64'])
    expect(await routesOf(far, 'eth0')).toEqual(['0.0.0.0/0 0', '::/0 1024'])
  })

  it('has the largest segments that it shall have, and others stay as they are', async () => {
    const before = await near.links.get('host0')
    const { gsoMaxSize = 0, gsoIpv4MaxSize } = before
    const after = await near.links.setUp('host0', { gsoMaxSize: 131_072, gsoIpv4MaxSize: 196_608 })
    // Linux 6.1 knows none of its own for IPv4.
    expect(after).toEqual({ ...before, gsoMaxSize: 131_072, ...(gsoIpv4MaxSize === undefined ? {} : { gsoIpv4MaxSize: 196_608 }) })
    expect(await near.links.setUp('host0', { gsoMaxSize, gsoIpv4MaxSize: gsoMaxSize })).toEqual(before)
  })

  it('leaves to another link what that one had first, and has it when that one goes', async () => {
    const second = await TunDevice.open({
      name: 'net1',
      namespace: there,
      addresses: ['10.1.0.1/32', 'fd00:2::1'],
      routes: ['0.0.0.0/0', '::/0'],
    })
    const third = { index: second.index, metrics: [`0.0.0.0/0 ${second.index}`, `::/0 ${1024 + second.index}`] }
    for (let times = 0; times < 2; times++) {
      expect((await routesOf(far, 'net1')).filter((text) => text.includes('/0 '))).toEqual(third.metrics)
      expect(await routesOf(far, 'eth0')).toEqual(['0.0.0.0/0 0', '::/0 1024'])
      expect((await far.routes.lookup('8.8.8.8')).link).toBe('eth0')
      expect((await far.routes.lookup('2001:db8::1')).link).toBe('eth0')
      expect((await far.routes.lookup('8.8.8.8', { link: 'net1' })).link).toBe('net1')
      await far.links.setUp('net1', { routes: ['0.0.0.0/0', '::/0'] })
    }
    await near.links.delete('host0')
    expect((await far.routes.lookup('8.8.8.8')).link).toBe('net1')
    expect((await far.routes.lookup('2001:db8::1')).link).toBe('net1')
    second.close()
  })

  it('leaves nothing of a link that could not be made so', async () => {
    const bad = { mtu: 1400, up: true, addresses: ['10.0.0.1/32'], routes: ['10.0.0.0/33'] }
    const pair = { name: 'host0', peer: 'eth0', peerNamespace: there, peerSetup: bad }
    await expect(near.links.createVeth(pair)).rejects.toMatchObject({ code: 'EINVAL', message: expect.stringContaining('10.0.0.0/33') })
    await expect(near.links.createVeth({ ...pair, peerSetup: {}, setup: { mtu: 1 } })).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(TunDevice.open({ name: 'net2', namespace: there, persist: true, ...bad })).rejects.toMatchObject({ code: 'EINVAL' })
    expect((await near.links.list()).map(({ name }) => name)).toEqual(['lo'])
    expect((await far.links.list()).map(({ name }) => name)).toEqual(['lo'])
    await expect(near.links.setUp('none', { up: true })).rejects.toMatchObject({ code: 'ENODEV' })
  })

  it('is seen by its name alone', async () => {
    using _device = await TunDevice.open({ name: 'seen0', namespace: here })
    expect(await NetworkNamespace.hasLink(here, 'seen0')).toBe(true)
    expect(await NetworkNamespace.hasLink(here.path, 'seen1')).toBe(false)
    await expect(NetworkNamespace.hasLink('/run/netns/hdl-test-none', 'lo')).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
