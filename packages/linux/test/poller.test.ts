import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { DATAGRAM_DESCRIPTOR, Poller, READINESS, type UdpBatchSocket } from '../src/index.js'
import { call } from '../src/native/call.js'
import { availability, eventually, localUdp, loopback, noLoopback, unbuilt } from './support.js'

const run = promisify(execFile)

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
