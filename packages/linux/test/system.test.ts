import { execFile } from 'node:child_process'
import { mkdtempSync, openSync, closeSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, connect, type Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it, vi } from 'vitest'
import {
  closeDescriptor,
  DATAGRAM_BATCH,
  DATAGRAM_DESCRIPTOR,
  errnoName,
  LinuxError,
  nativeAvailability,
  NativeUnavailableError,
  Netlink,
  offerDescriptors,
  PACKET_DESCRIPTOR,
  Poller,
  probe,
  READINESS,
  requireFeatures,
  setTcpMd5Key,
  setTcpMinimumTtl,
  setTcpTtl,
  takeDescriptors,
  TUN_DESCRIPTOR,
  TunDevice,
  UdpBatchSocket,
  WOKEN,
  UnsupportedError,
  type UdpOptions,
} from '../src/index.js'
import { call } from '../src/native/call.js'
import { VERSION } from '../src/native/load.js'
import { because, eventually, isolated, missing, namespaces } from './support.js'

const run = promisify(execFile)
const availability = nativeAvailability()
const loopback = networkInterfaces()['lo'] === undefined ? 'the loopback link is down' : ''
const noLoopback = loopback === '' ? '' : ` (not run: ${loopback})`
const unbuilt = availability.available ? '' : ` (not run: ${availability.reason})`

const localUdp = (options: Partial<UdpOptions> = {}): Promise<UdpBatchSocket> =>
  UdpBatchSocket.open({ bind: { address: '127.0.0.1', port: 0 }, ...options })

describe('the native part', () => {
  it('is named with the way out when it cannot be loaded', async () => {
    const script = `
      const availability = linux.nativeAvailability()
      const { features } = linux.probe()
      let error
      try { await linux.Netlink.open() } catch (caught) { error = caught }
      console.log(JSON.stringify({ availability, tun: features.tun, name: error.name, code: error.code, attempts: error.attempts, message: error.message }))`
    const result = JSON.parse(await isolated(script, { env: { HEDDLE_NATIVE_PATH: '/nowhere/heddle.node' } }))
    expect(result).toMatchObject({
      availability: { available: false },
      tun: { available: false },
      name: 'NativeUnavailableError',
      code: 'linux.native-unavailable',
      attempts: [{ target: '/nowhere/heddle.node' }],
    })
    for (const part of ['/nowhere/heddle.node', 'npm run build:native', `@heddle/linux-linux-${process.arch}-gnu`])
      expect(result.message).toContain(part)
  })

  it('is refused when it is of another version', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hdl-test-'))
    const other = join(folder, 'other.cjs')
    writeFileSync(other, "exports.version = () => '0.0.9'")
    try {
      vi.stubEnv('HEDDLE_NATIVE_PATH', other)
      vi.resetModules()
      const fresh = await import('../src/index.js')
      expect(fresh.nativeAvailability()).toMatchObject({
        available: false,
        reason: expect.stringContaining(`${other}: is of version 0.0.9`),
      })
    } finally {
      vi.unstubAllEnvs()
      rmSync(folder, { recursive: true })
    }
  })

  it('has the version of every manifest', () => {
    const read = (file: string): { version: string; optionalDependencies?: Record<string, string> } =>
      JSON.parse(readFileSync(join(import.meta.dirname, '..', file), 'utf8'))
    const { version, optionalDependencies = {} } = read('package.json')
    expect(version).toBe(VERSION)
    for (const name of ['linux-x64-gnu', 'linux-arm64-gnu']) {
      expect(read(`npm/${name}/package.json`).version).toBe(VERSION)
      expect(optionalDependencies[`@heddle/linux-${name}`]).toBe(VERSION)
    }
    expect(readFileSync(join(import.meta.dirname, '../../../Cargo.toml'), 'utf8')).toContain(`version = "${VERSION}"`)
  })

  it('has an error that lists each attempt', () => {
    const error = new NativeUnavailableError([{ target: 'x', reason: 'not there' }], 'build it')
    expect(error.message).toBe('the native part of @heddle/linux is not available (x: not there); build it')
  })

  it.skipIf(!availability.available)(`agrees with TypeScript on layouts${unbuilt}`, () => {
    const entries = (prefix: string, layout: Readonly<Record<string, number>>): [string, number][] =>
      Object.entries(layout).map(([name, word]) => [`${prefix}.${name}`, word])
    expect(call((native) => native.layouts())).toEqual(
      Object.fromEntries([
        ...entries('datagram', DATAGRAM_DESCRIPTOR),
        ...entries('packet', PACKET_DESCRIPTOR),
        ...entries('tun', TUN_DESCRIPTOR),
        ...entries('poller', READINESS),
        ['batch', DATAGRAM_BATCH],
        ['waiter.woken', WOKEN],
      ]),
    )
  })

  it.skipIf(!availability.available)(`has errors that name number, operation and detail${unbuilt}`, async () => {
    const error: unknown = await Netlink.open('/hdl-test-none').catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(LinuxError)
    expect(error).toMatchObject({
      code: 'ENOENT',
      errno: 2,
      operation: 'enter network namespace /hdl-test-none',
      detail: 'No such file or directory',
    })
    expect((error as LinuxError).message).toBe('enter network namespace /hdl-test-none: No such file or directory (ENOENT)')
    expect(errnoName(11)).toBe('EAGAIN')
  })
})

describe('the probe', () => {
  it('tells each feature or why it is missing', () => {
    const { kernel, features } = probe()
    expect(kernel === '').toBe(!availability.available)
    for (const feature of Object.values(features)) if (!feature.available) expect(feature.reason).not.toBe('')
    expect(Object.keys(features).sort()).toEqual(
      [
        'ipv6',
        'mpls',
        'net-admin',
        'net-raw',
        'packet',
        'raw-gre',
        'sys-admin',
        'tcp-ao',
        'tcp-md5',
        'tun',
        'udp-gro',
        'udp-segment',
      ].sort(),
    )
    if (availability.available && features.mpls.available) requireFeatures('mpls')
    else if (availability.available)
      expect(() => requireFeatures('mpls')).toThrow(
        expect.objectContaining({ code: 'EOPNOTSUPP', message: expect.stringContaining('mpls') }),
      )
  })
})

describe.skipIf(!availability.available)(`the poller${unbuilt}`, () => {
  function send(from: UdpBatchSocket, to: UdpBatchSocket): void {
    const descriptors = new Uint32Array(DATAGRAM_DESCRIPTOR.words)
    descriptors[DATAGRAM_DESCRIPTOR.length] = 1
    descriptors[DATAGRAM_DESCRIPTOR.remote] = 0x7f000001
    descriptors[DATAGRAM_DESCRIPTOR.port] = to.local.port
    expect(from.sendBatch(new Uint8Array(1), descriptors, 1)).toBe(1)
  }

  it.skipIf(loopback !== '')(`reports once, and again after rearm${noLoopback}`, async () => {
    const poller = Poller.open()
    const [from, to] = [await localUdp(), await localUdp()]
    let calls = 0
    const seen: number[] = []
    const watch = poller.watch(to.fd, READINESS.readable, (readiness) => {
      seen.push(readiness)
      calls++
    })
    send(from, to)
    await eventually('a report', () => (calls === 1 ? true : undefined))
    send(from, to)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(calls).toBe(1)
    watch.rearm()
    await eventually('another', () => (calls === 2 ? true : undefined))
    watch.rearm(READINESS.writable | READINESS.readable)
    await eventually('a third', () => (calls === 3 ? true : undefined))
    expect(seen).toEqual([READINESS.readable, READINESS.readable, READINESS.readable | READINESS.writable])
    expect(() => poller.watch(to.fd, READINESS.readable, () => {})).toThrow(expect.objectContaining({ code: 'EEXIST' }))
    watch.close()
    watch.close()
    expect(() => watch.rearm()).toThrow(expect.objectContaining({ code: 'EBADF' }))
    poller.close()
    poller.close()
    expect(() => poller.watch(to.fd, READINESS.readable, () => {})).toThrow(expect.objectContaining({ code: 'EBADF' }))
    from.close()
    to.close()
  })

  it('serves many descriptors and starves nobody', async () => {
    const poller = Poller.open()
    const sockets = await Promise.all(Array.from({ length: 200 }, () => localUdp()))
    const seen = new Set<number>()
    // Always ready, rearmed at once: the timer below must get its turn all the same.
    const watches = sockets.map((socket, k) => {
      const watch = poller.watch(socket.fd, READINESS.writable, () => {
        seen.add(k)
        watch.rearm()
      })
      return watch
    })
    await eventually('all of them', () => (seen.size === sockets.length ? true : undefined))
    await new Promise((resolve) => setTimeout(resolve, 10))
    for (const watch of watches) watch.close()
    for (const socket of sockets) socket.close()
    poller.close()
  })

  it('keeps a process alive until it is unreferenced or closed', async () => {
    const file =
      call((native) => native.kernelRelease()) && (process.env['HEDDLE_NATIVE_PATH'] ?? `@heddle/linux-linux-${process.arch}-gnu`)
    const script = (last: string): string[] => [
      '-e',
      `const { NativePoller } = require(${JSON.stringify(file)}); const p = new NativePoller(() => {}); p.reference(); ${last}; setTimeout(() => { console.log('alive'); process.exit() }, 500).unref()`,
    ]
    const options = { cwd: import.meta.dirname }
    expect((await run(process.execPath, script('0'), options)).stdout).toBe('alive\n')
    expect((await run(process.execPath, script('p.unreference()'), options)).stdout).toBe('')
    expect((await run(process.execPath, script('p.close()'), options)).stdout).toBe('')
  })
})

describe.skipIf(!availability.available)(`a worker thread${unbuilt}`, () => {
  it.skipIf(loopback !== '')(`that is terminated in the middle of its work leaves nothing behind${noLoopback}`, async () => {
    const target = process.env['HEDDLE_NATIVE_PATH'] ?? `@heddle/linux-linux-${process.arch}-gnu`
    const worker = `
      const native = require(${JSON.stringify(target)})
      const sockets = []
      const events = new Uint32Array(64)
      const poller = new native.NativePoller(() => { while (poller.take(events) > 0) for (const { fd } of sockets) poller.rearm(fd, 1, ${READINESS.writable}) })
      poller.reference()
      ;(async () => {
        for (let k = 0; k < 5; k++) {
          sockets.push(await native.datagramOpen({ family: 4, bind: { address: '127.0.0.1', port: 0 } }))
          poller.add(sockets[k].fd, 1, ${READINESS.writable})
        }
        globalThis.netlink = await native.netlinkOpen()
        for (let k = 0; k < 3; k++) netlink.links()
        require('node:worker_threads').parentPort.postMessage('busy')
      })()`
    const script = `
      const { Worker } = require('node:worker_threads')
      const { readdirSync } = require('node:fs')
      const { setTimeout: sleep } = require('node:timers/promises')
      const { once } = require('node:events')
      async function round() {
        const worker = new Worker(${JSON.stringify(worker)}, { eval: true })
        await once(worker, 'message')
        await sleep(2)
        await worker.terminate()
      }
      async function count() {
        const now = () => ['fd', 'task'].map((kind) => readdirSync('/proc/self/' + kind).length)
        for (let last = '', alike = 0; alike < 5; await sleep(40)) {
          const next = String(now())
          alike = next === last ? alike + 1 : 0
          last = next
        }
        return now()
      }
      ;(async () => {
        await round()
        const before = await count()
        for (let k = 0; k < 10; k++) await round()
        console.log(JSON.stringify({ before, after: await count() }))
      })()`
    const { stdout } = await run(process.execPath, ['-e', script], { cwd: import.meta.dirname })
    const { before, after } = JSON.parse(stdout) as { before: number[]; after: number[] }
    expect(after[0]).toBeLessThanOrEqual(before[0] + 2)
    expect(after[1]).toBeLessThanOrEqual(before[1] + 2)
  })
})

describe.skipIf(!availability.available)(`the hand-over of descriptors${unbuilt}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'hdl-test-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  it('gives descriptors and octets to whoever takes them', async () => {
    const path = join(folder, 'socket')
    const file = join(folder, 'file')
    writeFileSync(file, 'hello')
    const fd = openSync(file, 'r')
    const bytes = new Uint8Array(65_536).map((_, k) => k)
    const offered = offerDescriptors(path, { fds: [fd, fd], bytes })
    const taken = await eventually('the offer', () => takeDescriptors(path).catch(() => undefined))
    await offered
    closeSync(fd)
    expect(taken.fds).toHaveLength(2)
    expect(Buffer.compare(taken.bytes, bytes)).toBe(0)
    for (const one of taken.fds) {
      expect(readFileSync(`/proc/self/fd/${one}`, 'utf8')).toBe('hello')
      closeDescriptor(one)
      expect(targetOf(one)).not.toBe(file)
    }
  })

  /** Where a descriptor leads to; another thread may have opened it again meanwhile. */
  function targetOf(fd: number): string {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  }

  it('says what is wrong', async () => {
    await expect(takeDescriptors(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(offerDescriptors(join(folder, 'late'), { fds: [], bytes: new Uint8Array(1) }, { timeout: 10 })).rejects.toMatchObject({
      code: 'ETIMEDOUT',
    })
    await expect(offerDescriptors(join(folder, 'empty'), { fds: [], bytes: new Uint8Array() })).rejects.toMatchObject({ code: 'EINVAL' })
    expect(() => closeDescriptor(1)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
  })
})

describe.skipIf(missing !== '')(`the hand-over of a TUN device${because}`, () => {
  const made = namespaces()

  it('leaves the device with its taker', async () => {
    const namespace = await made.create()
    const folder = mkdtempSync(join(tmpdir(), 'hdl-test-'))
    const first = await TunDevice.open({ name: 'hand0', namespace, offload: true, addresses: ['10.8.0.1/24'] })
    const { index } = first
    const offered = offerDescriptors(join(folder, 's'), { fds: [first.fd], bytes: new Uint8Array(1) })
    const { fds } = await eventually('the offer', () => takeDescriptors(join(folder, 's')).catch(() => undefined))
    await offered
    first.close()
    const second = TunDevice.fromFd(fds[0], { namespace, offload: true })
    expect(second).toMatchObject({ name: 'hand0', index })
    const netlink = await Netlink.open(namespace)
    expect((await netlink.links.get('hand0')).state).not.toBe('down')
    second.close()
    await expect(netlink.links.get('hand0')).rejects.toMatchObject({ code: 'ENODEV' })
    netlink.close()
    rmSync(folder, { recursive: true })
  })

  it.skipIf(loopback !== '')(`leaves a UDP socket with what waits in its queue${noLoopback}`, async () => {
    const options = { zeroChecksumTx: true, tos: 8, receiveTos: true }
    const [first, sender] = [await localUdp(options), await localUdp({ tos: 4 })]
    const descriptors = new Uint32Array(DATAGRAM_DESCRIPTOR.words)
    descriptors[DATAGRAM_DESCRIPTOR.length] = 3
    descriptors[DATAGRAM_DESCRIPTOR.tos] = 4
    descriptors[DATAGRAM_DESCRIPTOR.remote] = 0x7f000001
    descriptors[DATAGRAM_DESCRIPTOR.port] = first.local.port
    expect(sender.sendBatch(new Uint8Array(3), descriptors, 1)).toBe(1)
    const folder = mkdtempSync(join(tmpdir(), 'hdl-test-'))
    const offered = offerDescriptors(join(folder, 's'), { fds: [first.fd], bytes: new Uint8Array(1) })
    const { fds } = await eventually('the offer', () => takeDescriptors(join(folder, 's')).catch(() => undefined))
    await offered
    first.close()
    const second = UdpBatchSocket.fromFd(fds[0], { gso: true })
    expect(second).toMatchObject({ local: first.local, family: 4 })
    expect(second.receiveBatch(new Uint8Array(100), 100, 0, descriptors)).toBe(1)
    expect(descriptors[DATAGRAM_DESCRIPTOR.tos]).toBe(4)
    descriptors[DATAGRAM_DESCRIPTOR.segment] = 1
    expect(() => second.sendBatch(new Uint8Array(3), descriptors, 1)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    second.close()
    sender.close()
    rmSync(folder, { recursive: true })
  })

  it('refuses descriptors of anything else, and closes them', async () => {
    const namespace = await made.create()
    await isolated(`
      import { mkdtempSync, rmSync } from 'node:fs'
      import { tmpdir } from 'node:os'
      const folder = mkdtempSync(tmpdir() + '/hdl-test-')
      const socket = await linux.UdpBatchSocket.open({ bind: { address: '0.0.0.0', port: 0 } })
      const tun = await linux.TunDevice.open({ name: 'hand1', namespace: ${JSON.stringify(namespace.path)} })
      const [before] = await count()
      const offered = linux.offerDescriptors(folder + '/s', { fds: [socket.fd, tun.fd, tun.fd], bytes: new Uint8Array(1) })
      let taken
      while (taken === undefined) taken = await linux.takeDescriptors(folder + '/s').catch(() => sleep(1))
      await offered
      rmSync(folder, { recursive: true })
      const [first, second, third] = taken.fds
      assert.equal((await count())[0], before + 3)
      assert.throws(() => linux.TunDevice.fromFd(first), { code: 'ENOTTY' })
      assert.throws(() => linux.TunDevice.fromFd(second, { offload: true }), { code: 'EINVAL' })
      assert.throws(() => linux.UdpBatchSocket.fromFd(third), { code: 'ENOTSOCK' })
      assert.throws(() => linux.UdpBatchSocket.fromFd(-1), { code: 'EINVAL' })
      assert.throws(() => linux.TunDevice.fromFd(-1), { code: 'EINVAL' })
      assert.equal((await count())[0], before)
      socket.close()
      tun.close()`)
  })
})

describe.skipIf(!availability.available)(`options of TCP sockets${unbuilt}`, () => {
  const descriptorOf = (socket: object): number => (socket as { _handle: { fd: number } })._handle.fd
  const sockets: Socket[] = []
  const server = createServer((socket) => sockets.push(socket))
  afterAll(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  it.skipIf(loopback !== '')(`sign segments and check their TTL${noLoopback}`, async () => {
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const key = new TextEncoder().encode('a secret')
    const md5 = probe().features['tcp-md5']
    if (md5.available) {
      setTcpMd5Key(descriptorOf(server), key, { peer: '127.0.0.1' })
      const unsigned = connect({ port, host: '127.0.0.1', timeout: 200 })
      const outcome = await new Promise<string>((resolve) =>
        unsigned
          .on('timeout', () => resolve('timeout'))
          .on('connect', () => resolve('connect'))
          .on('error', (error) => resolve(error.message)),
      )
      expect(outcome).toBe('timeout')
      unsigned.destroy()
      setTcpMd5Key(descriptorOf(server), new Uint8Array(), { peer: '127.0.0.1' })
      setTcpMd5Key(descriptorOf(server), key, { peer: '198.51.100.0', prefixLength: 24 })
      expect(() => setTcpMd5Key(descriptorOf(server), new Uint8Array(), { peer: '203.0.113.1' })).toThrow(
        expect.objectContaining({ code: 'ENOENT' }),
      )
      expect(() => setTcpMd5Key(descriptorOf(server), new Uint8Array(81), { peer: '203.0.113.1' })).toThrow(
        expect.objectContaining({ code: 'EINVAL' }),
      )
    } else {
      expect(() => setTcpMd5Key(descriptorOf(server), key, { peer: '127.0.0.1' })).toThrow(UnsupportedError)
    }
    setTcpMinimumTtl(descriptorOf(server), 4, 255)
    const near = connect({ port, host: '127.0.0.1', timeout: 200 })
    sockets.push(near)
    const outcome = await new Promise<string>((resolve) =>
      near.on('timeout', () => resolve('timeout')).on('connect', () => resolve('connect')),
    )
    expect(outcome).toBe('timeout')
    setTcpMinimumTtl(descriptorOf(server), 4, 0)
    setTcpTtl(descriptorOf(server), 4, 255)
    expect(() => setTcpTtl(999_999, 4, 255)).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })
})
