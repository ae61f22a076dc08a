import { spawnSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Netlink, NetworkNamespace, TunDevice, UdpBatchSocket } from '../src/index.js'
import { because, isolated, missing, namespaces } from './support.js'

const unshare = ['unshare', '--user', '--map-root-user', '--mount'] as const
const noUsers = spawnSync(unshare[0], [...unshare.slice(1), 'true']).status === 0 ? '' : ' (not run: needs user namespaces)'

describe.skipIf(missing !== '')(`network namespaces${because}`, () => {
  const made = namespaces()

  it('are created, listed, found and deleted', async () => {
    const namespace = await made.create()
    expect(namespace.path).toBe(`/run/netns/${namespace.name}`)
    expect(NetworkNamespace.list()).toContain(namespace.name)
    expect(NetworkNamespace.exists(namespace.name)).toBe(true)
    expect(NetworkNamespace.identity(namespace)).not.toBe(NetworkNamespace.identity())
    expect(await NetworkNamespace.identities([namespace.path, '/run/netns/hdl-test-none', '/proc/self/ns/net'])).toEqual([
      NetworkNamespace.identity(namespace),
      0,
      NetworkNamespace.identity(),
    ])
    await namespace.delete()
    expect(NetworkNamespace.exists(namespace.name)).toBe(false)
    await expect(namespace.delete()).rejects.toMatchObject({ name: 'LinuxError', code: 'ENOENT', errno: 2 })
  })

  it('refuse a name that is taken, and names that are no file names', async () => {
    const namespace = await made.create()
    await expect(NetworkNamespace.create(namespace.name)).rejects.toMatchObject({
      code: 'EEXIST',
      message: expect.stringContaining(namespace.name),
    })
    await expect(NetworkNamespace.create('../x')).rejects.toMatchObject({ code: 'EINVAL' })
    expect(() => NetworkNamespace.named('')).toThrow(expect.objectContaining({ code: 'EINVAL' }))
  })

  it('say which one is not there', async () => {
    await expect(Netlink.open('/run/netns/hdl-test-none')).rejects.toMatchObject({
      code: 'ENOENT',
      message: expect.stringContaining('hdl-test-none'),
    })
    await expect(TunDevice.open({ name: 'tun0', namespace: '/run/netns/hdl-test-none' })).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('say which links are missing', async () => {
    const namespace = await made.create()
    const tun = await TunDevice.open({ name: 'tun0', namespace })
    const { index } = tun
    expect(await NetworkNamespace.missingLinks(namespace, [1, index, 70_001, index + 1])).toEqual([70_001, index + 1])
    expect(await NetworkNamespace.missingLinks(undefined, [1])).toEqual([])
    tun.close()
    expect(await NetworkNamespace.missingLinks(namespace, [index, 1])).toEqual([index])
    await expect(NetworkNamespace.missingLinks('/run/netns/hdl-test-none', [1])).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('never become that of the JavaScript thread or of the thread pool', async () => {
    const before = readlinkSync('/proc/thread-self/ns/net')
    const [a, b] = [await made.create(), await made.create()]
    await Promise.all(
      Array.from({ length: 32 }, async (_, k) => {
        const netlink = await Netlink.open(k % 2 === 0 ? a : b)
        await netlink.links.change('lo', { up: true })
        netlink.close()
        const socket = await UdpBatchSocket.open({ namespace: k % 2 === 0 ? a : b, bind: { address: '127.0.0.1', port: 0 } })
        socket.close()
      }),
    )
    expect(readlinkSync('/proc/thread-self/ns/net')).toBe(before)
    const here = await Netlink.open()
    const links = await here.links.list()
    here.close()
    const there = await Netlink.open(a)
    expect((await there.links.list()).map(({ name }) => name)).toEqual(['lo'])
    there.close()
    expect(links.length).toBeGreaterThan(0)
  })

  it('are left again by every thread that was in one, also behind an error', async () => {
    const namespace = await made.create()
    await isolated(`
      const namespace = ${JSON.stringify(namespace.path)}
      const home = readlinkSync('/proc/self/ns/net')
      const namespaceOf = (id) => {
        try {
          return readlinkSync('/proc/self/task/' + id + '/ns/net')
        } catch (error) {
          if (error.code !== 'ENOENT') throw error
          return home // a thread that has ended meanwhile is nowhere
        }
      }
      const strangers = () => readdirSync('/proc/self/task').filter((id) => namespaceOf(id) !== home)
      await Promise.all(
        Array.from({ length: 64 }, async (_, k) => {
          assert.equal(await linux.NetworkNamespace.hasLink(namespace, 'lo'), true)
          await assert.rejects(linux.TunDevice.open({ name: 'odd' + k, namespace, mtu: 1 }), { code: 'EINVAL' })
          await assert.rejects(linux.NetworkNamespace.hasLink('/proc/self/exe', 'lo'), { code: 'EINVAL' })
        }),
      )
      assert.deepEqual(strangers(), [])`)
  })

  it.skipIf(noUsers !== '')(
    `are worked in where who left the own one could not come back: one of another user namespace${noUsers}`,
    async () => {
      const name = `hdl-test-${process.pid}-user`
      const output = await isolated(
        `
      const namespace = await linux.NetworkNamespace.create(${JSON.stringify(name)})
      try {
        const own = linux.NetworkNamespace.identity()
        const tun = await linux.TunDevice.open({ name: 'user0', namespace })
        console.log(await linux.NetworkNamespace.hasLink(namespace, 'user0'), linux.NetworkNamespace.identity() === own)
        tun.close()
      } finally {
        await namespace.delete()
      }`,
        { command: [...unshare, process.execPath] },
      )
      expect(output).toBe('true true\n')
    },
  )

  it('leave no descriptor and no thread behind, with all that is in them', async () => {
    const namespace = await made.create()
    const output = await isolated(`
      const namespace = ${JSON.stringify(namespace.path)}
      async function once() {
        const netlink = await linux.Netlink.open(namespace)
        await netlink.links.change('lo', { up: true })
        netlink.close()
        const tun = await linux.TunDevice.open({ name: 'leak0', namespace, offload: true, addresses: ['192.0.2.1/24'] })
        tun.close()
        const udp = await linux.UdpBatchSocket.open({ namespace, bind: { address: '127.0.0.1', port: 0 } })
        udp.close()
        const raw = await linux.RawSocket.open({ namespace, family: 4, protocol: 47 })
        raw.close()
        const packet = await linux.PacketSocket.open({ namespace, link: 'lo', etherType: 3 })
        packet.close()
        linux.Poller.open().close()
        await assert.rejects(linux.TunDevice.open({ name: 'leak1', namespace, mtu: 1 }), { code: 'EINVAL' })
        await assert.rejects(linux.UdpBatchSocket.open({ namespace, bind: { address: '203.0.113.1', port: 0 } }), { code: 'EADDRNOTAVAIL' })
        await assert.rejects(linux.Netlink.open('/nowhere'), { code: 'ENOENT' })
      }
      await once()
      const before = await count()
      for (let k = 0; k < 50; k++) await once()
      let after = await count()
      // Threads that were told to end may need a moment on a busy machine.
      for (let k = 0; k < 20 && String(after) !== String(before); k++) after = await count()
      console.log(JSON.stringify({ before, after }))`)
    const { before, after } = JSON.parse(output) as { before: number[]; after: number[] }
    expect(after).toEqual(before)
  })
})
