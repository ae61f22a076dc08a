import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Netlink, type NetworkNamespace } from '../src/index.js'
import { because, missing, namespaces } from './support.js'

describe.skipIf(missing !== '')(`netlink${because}`, () => {
  const made = namespaces()
  let a: NetworkNamespace
  let b: NetworkNamespace
  let left: Netlink
  let right: Netlink

  beforeAll(async () => {
    ;[a, b] = [await made.create(), await made.create()]
    ;[left, right] = [await Netlink.open(a), await Netlink.open(b)]
    await left.links.createVeth({
      name: 'west',
      peer: 'east',
      peerNamespace: b,
      mtu: 1400,
      mac: '02:00:00:00:00:01',
      peerMac: '02:00:00:00:00:02',
    })
    await left.links.change('west', { up: true })
    await right.links.change('east', { up: true })
  })

  afterAll(() => {
    left.close()
    right.close()
  })

  describe('links', () => {
    it('are made as a pair across namespaces', async () => {
      expect(await left.links.get('west')).toMatchObject({ name: 'west', kind: 'veth', mtu: 1400, up: true, mac: '02:00:00:00:00:01' })
      expect(await right.links.get('east')).toMatchObject({ name: 'east', kind: 'veth', mtu: 1400, up: true, mac: '02:00:00:00:00:02' })
      await expect(left.links.get('east')).rejects.toMatchObject({ code: 'ENODEV', message: expect.stringContaining("'east'") })
    })

    it('are found by index and listed', async () => {
      const { index } = await left.links.get('west')
      expect((await left.links.get(index)).name).toBe('west')
      expect((await left.links.list()).map(({ name }) => name).sort()).toEqual(['lo', 'west'])
    })

    it('are changed, renamed, moved and deleted', async () => {
      await left.links.createVeth({ name: 'x0', peer: 'x1' })
      await expect(left.links.createVeth({ name: 'x0', peer: 'x2' })).rejects.toMatchObject({ code: 'EEXIST' })
      expect(await left.links.change('x0', { mtu: 1300, name: 'y0', mac: '02:00:00:00:00:aa', up: true })).toMatchObject({
        name: 'y0',
        mtu: 1300,
        mac: '02:00:00:00:00:aa',
        up: true,
      })
      await left.links.change('x1', { namespace: b })
      expect((await right.links.get('x1')).kind).toBe('veth')
      await expect(left.links.change('y0', { mtu: 1 })).rejects.toMatchObject({ code: 'EINVAL' })
      await left.links.delete('y0')
      await expect(right.links.get('x1')).rejects.toMatchObject({ code: 'ENODEV' })
      await expect(left.links.delete('y0')).rejects.toMatchObject({ code: 'ENODEV' })
    })

    it('have names of 1-15 octets', async () => {
      for (const name of ['', 'sixteen-octets--', 'a/b', 'a b'])
        await expect(left.links.get(name)).rejects.toMatchObject({ code: 'EINVAL' })
    })
  })

  describe('addresses', () => {
    it('are added, listed and deleted, IPv4 and IPv6', async () => {
      await left.addresses.add('west', '192.0.2.1/24')
      await left.addresses.add('west', '2001:db8::1/64', { noDad: true })
      await right.addresses.add('east', '192.0.2.2/24')
      await right.addresses.add('east', '2001:db8::2/64', { noDad: true })
      const list = await left.addresses.list('west')
      expect(list).toContainEqual(expect.objectContaining({ address: '192.0.2.1', prefixLength: 24, permanent: true, tentative: false }))
      expect(list).toContainEqual(expect.objectContaining({ address: '2001:db8::1', prefixLength: 64, tentative: false }))
      await expect(left.addresses.add('west', '192.0.2.1/24')).rejects.toMatchObject({ code: 'EEXIST' })
      await left.addresses.add('west', '192.0.2.1/24', { replace: true })
      await left.addresses.add('west', '198.51.100.9', { peer: '198.51.100.10' })
      expect(await left.addresses.list('west')).toContainEqual(expect.objectContaining({ address: '198.51.100.9', peer: '198.51.100.10' }))
      await left.addresses.delete('west', '198.51.100.9')
      await expect(left.addresses.delete('west', '198.51.100.9')).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
      await expect(left.addresses.add('none', '10.0.0.1/8')).rejects.toMatchObject({ code: 'ENODEV' })
      await expect(left.addresses.add('west', '10.0.0.1/33')).rejects.toMatchObject({ code: 'EINVAL' })
      await expect(left.addresses.list('none')).rejects.toMatchObject({ code: 'ENODEV' })
    })
  })

  describe('routes', () => {
    it('are added, replaced, listed and deleted', async () => {
      await left.routes.add('10.1.0.0/16', { gateway: '192.0.2.2', protocol: 186, metric: 7, mtu: 1280, preferredSource: '192.0.2.1' })
      await left.routes.add('2001:db8:1::/48', { gateway: '2001:db8::2' })
      const west = (await left.links.get('west')).index
      const main = await left.routes.list({ table: 254 })
      expect(main).toContainEqual(
        expect.objectContaining({
          destination: '10.1.0.0/16',
          kind: 'unicast',
          protocol: 186,
          metric: 7,
          mtu: 1280,
          preferredSource: '192.0.2.1',
          nextHops: [{ gateway: '192.0.2.2', link: west, weight: 1 }],
        }),
      )
      expect(main).toContainEqual(expect.objectContaining({ destination: '2001:db8:1::/48', protocol: 4 }))
      await expect(left.routes.add('10.1.0.0/16', { gateway: '192.0.2.2', metric: 7 })).rejects.toMatchObject({ code: 'EEXIST' })
      await left.routes.replace('10.1.0.0/16', { gateway: '192.0.2.3', metric: 7 })
      expect(await left.routes.lookup('10.1.2.3')).toMatchObject({ gateway: '192.0.2.3' })
      await left.routes.delete('10.1.0.0/16', { metric: 7 })
      await expect(left.routes.delete('10.1.0.0/16')).rejects.toMatchObject({
        code: 'ESRCH',
        message: expect.stringContaining('10.1.0.0/16'),
      })
      await left.routes.delete('2001:db8:1::/48')
      await expect(left.routes.add('10.2.0.0/16', { gateway: '203.0.113.1' })).rejects.toMatchObject({ code: 'ENETUNREACH' })
    })

    it('carry tables, several next hops, links and refusals', async () => {
      await left.routes.add('10.3.0.0/16', {
        table: 4242,
        nextHops: [
          { gateway: '192.0.2.2', weight: 1 },
          { gateway: '192.0.2.3', weight: 3 },
        ],
      })
      const [route] = await left.routes.list({ table: 4242 })
      expect(route?.nextHops.map(({ gateway, weight }) => [gateway, weight])).toEqual([
        ['192.0.2.2', 1],
        ['192.0.2.3', 3],
      ])
      await left.routes.add('10.4.0.0/16', { link: 'west' })
      expect(await left.routes.lookup('10.4.0.1')).toEqual(expect.not.objectContaining({ gateway: expect.anything() }))
      await left.routes.add('10.5.0.0/16', { kind: 'unreachable' })
      await expect(left.routes.lookup('10.5.0.1')).rejects.toMatchObject({ code: 'EHOSTUNREACH' })
      await left.routes.add('10.6.0.0/16', { kind: 'blackhole' })
      await expect(left.routes.lookup('10.6.0.1')).rejects.toMatchObject({ code: 'EINVAL' })
      await left.routes.add('203.0.113.0/24', { gateway: '198.18.0.1', link: 'west', onLink: true })
      expect(await left.routes.lookup('203.0.113.7')).toMatchObject({ gateway: '198.18.0.1', link: 'west' })
    })

    it('are looked up as the kernel would, IPv4 and IPv6', async () => {
      const west = (await left.links.get('west')).index
      await left.routes.add('0.0.0.0/0', { gateway: '192.0.2.2' })
      await left.routes.add('::/0', { gateway: '2001:db8::2', mtu: 1300 })
      const common = { kind: 'unicast', index: west, link: 'west', table: 254 }
      expect(await left.routes.lookup('8.8.8.8')).toEqual({ ...common, gateway: '192.0.2.2', source: '192.0.2.1', mtu: 1400 })
      expect(await left.routes.lookup('192.0.2.2')).toEqual({ ...common, source: '192.0.2.1', mtu: 1400 })
      expect(await left.routes.lookup('2001:db8:ffff::1')).toMatchObject({ ...common, gateway: '2001:db8::2', mtu: 1300 })
      expect(await left.routes.lookup('192.0.2.1')).toMatchObject({ kind: 'local', link: 'lo' })
      await expect(right.routes.lookup('8.8.8.8')).rejects.toMatchObject({
        code: 'ENETUNREACH',
        message: expect.stringContaining('8.8.8.8'),
      })
      await expect(right.routes.lookup('nowhere')).rejects.toMatchObject({ code: 'EINVAL' })
    })
  })

  describe('neighbours', () => {
    it('are added, replaced, listed and deleted', async () => {
      await left.neighbours.add('west', '192.0.2.77', { mac: '02:00:00:00:00:77' })
      await left.neighbours.add('west', '2001:db8::77', { mac: '02:00:00:00:00:78' })
      await expect(left.neighbours.add('west', '192.0.2.77', { mac: '02:00:00:00:00:79' })).rejects.toMatchObject({ code: 'EEXIST' })
      await left.neighbours.replace('west', '192.0.2.77', { mac: '02:00:00:00:00:79' })
      await left.neighbours.add('west', '192.0.2.99', { proxy: true })
      const list = await left.neighbours.list('west')
      expect(list).toContainEqual(
        expect.objectContaining({ address: '192.0.2.77', mac: '02:00:00:00:00:79', state: 'permanent', proxy: false }),
      )
      expect(list).toContainEqual(expect.objectContaining({ address: '2001:db8::77', mac: '02:00:00:00:00:78' }))
      expect(list).toContainEqual(expect.objectContaining({ address: '192.0.2.99', proxy: true }))
      await left.neighbours.delete('west', '192.0.2.77')
      await left.neighbours.delete('west', '192.0.2.99', { proxy: true })
      await expect(left.neighbours.delete('west', '192.0.2.77')).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(left.neighbours.add('west', '192.0.2.5', {})).rejects.toMatchObject({ code: 'EINVAL' })
    })
  })

  it('refuses calls behind close', async () => {
    const netlink = await Netlink.open(a)
    const last = netlink.links.list()
    netlink.close()
    netlink.close()
    expect((await last).length).toBeGreaterThan(0)
    await expect(netlink.links.list()).rejects.toMatchObject({ code: 'EBADF' })
  })
})
