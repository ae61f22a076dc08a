import { describe, expect, it, vi } from 'vitest'
import { LinkReaper, LinuxError, Netlink, type NetworkNamespace } from '../src/index.js'
import { native } from '../src/native/load.js'
import { because, missing, namespaces } from './support.js'

describe.skipIf(missing !== '')(`links that are taken away later${because}`, () => {
  const made = namespaces()
  const pairs = async (namespace: NetworkNamespace, count: number): Promise<{ name: string; index: number }[]> => {
    using netlink = await Netlink.open(namespace)
    const ends = []
    for (let n = 0; n < count; n++) ends.push((await netlink.links.createVeth({ name: `a${n}`, peer: `b${n}`, setup: { up: true } })).end)
    return ends
  }
  const names = async (namespace: NetworkNamespace): Promise<string[]> => {
    using netlink = await Netlink.open(namespace)
    return (await netlink.links.list()).map(({ name }) => name).sort()
  }

  it('free their names at once, also those that are up, and go together', async () => {
    const [one, other] = [await made.create(), await made.create()]
    const reaper = new LinkReaper({ delay: 60_000 })
    for (const { index } of await pairs(one, 3)) await reaper.bury(one.path, index)
    await reaper.bury(other.path, (await pairs(other, 2))[0].index)
    expect((await names(one)).filter((name) => name.startsWith('a'))).toEqual([])
    expect((await names(one)).filter((name) => name.startsWith('gone'))).toHaveLength(3)
    const [again] = await pairs(one, 1).catch(() => pairs(other, 0)) // b0 is still there
    expect(again).toBeUndefined()
    await reaper.reap()
    expect(await names(one)).toEqual(['lo'])
    expect(await names(other)).toEqual(['a1', 'b1', 'lo'])
    await reaper.reap()
  })

  it('are down at once where that is asked for, and else stay up', async () => {
    const namespace = await made.create()
    using netlink = await Netlink.open(namespace)
    const reaper = new LinkReaper({ delay: 60_000 })
    for (const [at, { index }] of (await pairs(namespace, 2)).entries()) {
      await reaper.bury(namespace.path, index, [], at === 0)
      expect(await netlink.links.get(index)).toMatchObject({ name: `gone${index}`, up: at === 1 })
    }
    await reaper.reap()
  })

  it('leave their routes to the next link, and routes that somebody else took away are no error', async () => {
    const namespace = await made.create()
    using netlink = await Netlink.open(namespace)
    const reaper = new LinkReaper({ delay: 60_000 })
    const routes = ['0.0.0.0/0', '::/0', '203.0.113.0/24']
    const destinations = async (link: number): Promise<string[]> =>
      (await netlink.routes.list({ table: 254 }))
        .filter(({ nextHops }) => nextHops.some((hop) => hop.link === link))
        .map(({ destination, metric }) => `${destination} ${metric}`)
        .filter((text) => !text.startsWith('fe80'))
        .sort()
    const lead = async (n: number): Promise<number> => {
      const options = { name: `a${n}`, peer: `b${n}`, peerSetup: { up: true } }
      return (await netlink.links.createVeth({ ...options, setup: { addresses: [`10.0.0.${n}/32`], routes, up: true } })).end.index
    }
    const [first, second] = [await lead(1), await lead(2)]
    const ofFirst = await destinations(first)
    expect(ofFirst).toHaveLength(3)
    expect(await destinations(second)).toHaveLength(3)
    await netlink.routes.delete('203.0.113.0/24', { link: first })
    // The first hands over to the second, whose routes have a metric; behind both, a third one is the first again.
    for (const index of [first, second]) {
      await reaper.bury(namespace.path, index, routes)
      expect(await destinations(index)).toEqual([])
    }
    expect(await destinations(await lead(3))).toEqual(ofFirst)
  })

  it('go although the kernel refuses to take a route away', async () => {
    const namespace = await made.create()
    const reaper = new LinkReaper({ delay: 60_000 })
    const [{ index }] = await pairs(namespace, 2)
    // No route has bits behind its prefix.
    await expect(reaper.bury(namespace.path, index, ['203.0.113.1/24'])).rejects.toMatchObject({ code: 'EINVAL' })
    expect(await names(namespace)).toEqual(['a1', 'b0', 'b1', `gone${index}`, 'lo'])
    await reaper.reap()
    expect(await names(namespace)).toEqual(['a1', 'b1', 'lo'])
  })

  it('are no error when their namespace has gone meanwhile, and nothing of another one is touched that has its path now', async () => {
    const namespace = await made.create()
    const reaper = new LinkReaper({ delay: 60_000 })
    await reaper.bury(namespace.path, (await pairs(namespace, 1))[0].index)
    await namespace.delete()
    await reaper.reap()
    const next = await made.create()
    const links = await pairs(next, 2)
    await reaper.bury(next.path, links[0].index)
    await expect(reaper.bury(next.path, 4711)).rejects.toMatchObject({ code: 'ENODEV' })
    await expect(reaper.bury('/run/netns/hdl-test-none', 2)).rejects.toMatchObject({ code: 'ENOENT' })
    await reaper.reap()
    expect(await names(next)).toEqual(['a1', 'b1', 'lo'])
  })

  it('go a little later where the kernel refuses once, by themselves or with what is buried then', async () => {
    const refuseOnce = (): unknown =>
      vi.spyOn(native(), 'linksReap').mockRejectedValueOnce(new LinuxError('EMFILE', 24, 'socket', 'Too many open files'))
    const namespace = await made.create()
    const [first, second] = await pairs(namespace, 2)
    const reaper = new LinkReaper({ delay: 60_000 })
    await reaper.bury(namespace.path, first.index)
    refuseOnce()
    await expect(reaper.reap()).rejects.toMatchObject({ code: 'EMFILE' })
    expect(await names(namespace)).toContain(`gone${first.index}`)
    await reaper.reap()
    expect(await names(namespace)).toEqual(['a1', 'b1', 'lo'])

    const alone = new LinkReaper({ delay: 10 })
    refuseOnce()
    await alone.bury(namespace.path, second.index)
    await expect.poll(() => names(namespace)).toEqual(['lo'])
  })

  it('are found by whoever comes behind a process that died', async () => {
    const namespace = await made.create()
    await new LinkReaper({ delay: 60_000 }).bury(namespace.path, (await pairs(namespace, 2))[0].index)
    expect(await names(namespace)).toHaveLength(5)
    await LinkReaper.sweep(namespace.path)
    expect(await names(namespace)).toEqual(['a1', 'b1', 'lo'])
    await LinkReaper.sweep(namespace.path)
    await LinkReaper.sweep('/run/netns/hdl-test-none')
  })
})
