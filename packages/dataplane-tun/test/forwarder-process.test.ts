import { dropsOf, PORT_COUNTERS, type DataplaneError } from '@heddle/core'
import { tunDataplane, type TunDataplane } from '@heddle/dataplane-tun'
import { DATAGRAM_DESCRIPTOR, RawSocket, UdpBatchSocket } from '@heddle/linux'
import { IpAddress } from '@heddle/wire'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from './support/folders.js'
import { LOG_NAME } from '../src/process/start.js'
import { bundledForwarder } from './support/bundled.js'
import { floodWords, lossOf } from './support/ping.js'
import { missing, titled } from './support/requirements.js'
import { RUN_SOURCES } from './support/run-sources.js'
import { POD, TwoSites, UNDERLAY, emptyTransaction, setUp, siteTransaction, type Site } from './support/two-sites.js'

const AGENT = fileURLToPath(new URL('./support/agent.ts', import.meta.url))

describe.skipIf(missing() !== '')(titled('a forwarder process'), () => {
  let sites: TwoSites
  let directory: string
  let far: TunDataplane
  let forwarder: ReturnType<typeof bundledForwarder>
  const options = (site: Site) => ({
    addresses: UNDERLAY[site].map((address) => IpAddress.parse(address)),
    underlayNetns: sites.path(`site-${site}`),
    stateDir: join(directory, site),
    forwarder,
  })

  beforeAll(async () => {
    sites = new TwoSites()
    forwarder = bundledForwarder()
    directory = makeFolder('forwarder')
    far = await tunDataplane({ ...options('b'), inProcess: true })
    await setUp(far, sites, 'b')
  })

  afterAll(async () => {
    await far?.close()
    if (directory !== undefined) endForwarders(join(directory, 'a'))
    sites?.close()
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
    forwarder?.remove()
  })

  const ping = (count: number, interval: number): ChildProcess => sites.start('pod-a', ...floodWords(count, interval, POD.b[0]))
  /** Waits until pod a has sent `packets` more than it had. */
  const sends = async (near: TunDataplane, packets: number): Promise<void> => {
    const sent = async (): Promise<number> => (await near.counters()).ports[0]
    const before = await sent()
    await expect.poll(sent).toBeGreaterThan(before + packets)
  }

  it('serves behind a socket that is its owner’s alone, and removes its devices when it is closed', async () => {
    const near = await tunDataplane(options('a'))
    await setUp(near, sites, 'a')
    const socket = readdirSync(join(directory, 'a')).find((name) => name.endsWith('.sock')) as string
    expect(statSync(join(directory, 'a', socket)).mode & 0o777).toBe(0o600)
    expect(near.capabilities).toMatchObject({ kind: 'tun', survivesClose: true, underlayFamilies: [4, 6] })
    expect(near.capabilities.encapsulations).toContain('mpls-udp')
    expect(await lossOf(ping(5, 0.05))).toBe(0)
    expect((await near.dump()).devices.map(({ port, ifname }) => ({ port, ifname }))).toEqual([
      { port: 0, ifname: 'eth0' },
      { port: 1, ifname: 'eth0' },
    ])
    const counters = await near.counters()
    expect(counters.ports[0]).toBeGreaterThanOrEqual(5)
    await near.close()
    expect(() => sites.in('pod-a', 'ip', 'link', 'show', 'eth0')).toThrow(/does not exist/)
    expect(readdirSync(join(directory, 'a'))).toEqual(['forwarder.log'])
  })

  it('goes on without loss when its agent is killed, and the next agent finds everything', async () => {
    const agent = await startAgent(options('a'))
    const pinging = ping(60, 0.02)
    await new Promise((resolve) => setTimeout(resolve, 300))
    agent.kill('SIGKILL')
    await once(agent, 'exit')
    const next = await tunDataplane(options('a'))
    const state = await next.dump()
    expect(state).toMatchObject({ generation: 1, vrfs: siteTransaction('a').vrfs.set })
    expect(state.routes.count).toBe(siteTransaction('a').routes.count)
    expect(state.devices).toHaveLength(2)
    expect(await next.apply({ ...emptyTransaction(2) })).toEqual({ status: 'applied', generation: 2, failures: [] })
    expect(await lossOf(pinging)).toBe(0)
    await next.close()
  })

  it('is left alone by close({ keep: true })', async () => {
    const first = await tunDataplane(options('a'))
    await setUp(first, sites, 'a')
    await first.close({ keep: true })
    await expect(first.dump()).rejects.toMatchObject({ code: 'dataplane.closed' })
    expect(await lossOf(ping(5, 0.05))).toBe(0)
    const second = await tunDataplane(options('a'))
    expect((await second.dump()).generation).toBe(1)
    await second.close()
  })

  it('refuses a second agent while the first is alive', async () => {
    const first = await tunDataplane(options('a'))
    await expect(tunDataplane(options('a'))).rejects.toMatchObject({ code: 'dataplane.busy' })
    expect((await first.dump()).generation).toBe(0)
    await first.close({ keep: true })
    const second = await tunDataplane(options('a'))
    await second.close()
  })

  it('is one, however many agents start it at once', async () => {
    const attempts = await Promise.allSettled(Array.from({ length: 4 }, () => tunDataplane(options('a'))))
    const won = attempts.filter((attempt) => attempt.status === 'fulfilled')
    expect(won).toHaveLength(1)
    for (const attempt of attempts) {
      if (attempt.status === 'rejected') expect((attempt.reason as DataplaneError).code).toBe('dataplane.busy')
    }
    await won[0].value.close()
  })

  it('leaves the interfaces when it is killed; a new one adopts them', async () => {
    const first = await tunDataplane(options('a'))
    await setUp(first, sites, 'a')
    const happened: unknown[] = []
    const watching = (async () => {
      for await (const event of first.events) happened.push(event)
    })()
    const before = sites.in('pod-a', 'ip', '-o', 'address', 'show', 'eth0')
    const pinging = ping(100, 0.02)
    await sends(first, 10)
    const killed = performance.now()
    process.kill(pidOf(first), 'SIGKILL')
    await watching
    expect(happened).toEqual([0, 1].map((port) => ({ type: 'port-down', port, reason: expect.any(String) as string })))
    await expect(first.dump()).rejects.toMatchObject({ code: 'dataplane.lost' })
    await first.close()
    expect(sites.in('pod-a', 'ip', '-o', 'address', 'show', 'eth0')).toBe(before)

    const second = await tunDataplane(options('a'))
    expect((await second.dump()).generation).toBe(0)
    await setUp(second, sites, 'a')
    const gap = performance.now() - killed
    const loss = await lossOf(pinging)
    console.log(
      `a forwarder was killed: a new one forwards after ${gap.toFixed(0)} ms; ${loss} pings at 20 ms were lost until 100 were answered`,
    )
    expect(sites.in('pod-a', 'ip', '-o', 'link', 'show', 'eth0').split(':', 1)).toEqual(before.split(':', 1))
    await second.close()
  })

  it('ends when it is asked to by SIGTERM, and leaves the interfaces', async () => {
    const near = await tunDataplane(options('a'))
    await setUp(near, sites, 'a')
    process.kill(pidOf(near), 'SIGTERM')
    await expect.poll(() => readdirSync(join(directory, 'a'))).toEqual(['forwarder.log'])
    await expect(near.dump()).rejects.toMatchObject({ code: 'dataplane.lost' })
    expect(sites.in('pod-a', 'ip', 'link', 'show', 'eth0')).toContain('eth0')
  })

  it('is replaced when the configuration differs; the devices stay', async () => {
    const first = await tunDataplane(options('a'))
    await setUp(first, sites, 'a')
    await first.close({ keep: true })
    const second = await tunDataplane({ ...options('a'), entropyPorts: 4 })
    expect(pidOf(second)).not.toBe(pidOf(first))
    expect(sites.in('pod-a', 'ip', 'link', 'show', 'eth0')).toContain('eth0')
    await setUp(second, sites, 'a')
    expect(await lossOf(ping(5, 0.05))).toBe(0)
    await second.close()
  })

  it.each([
    ['on threads', 2],
    ['on one thread', 0],
  ])('is succeeded by a new process without loss, with tables, flows and devices (%s)', async (_how, workers) => {
    const first = await tunDataplane({ ...options('a'), workers })
    await setUp(first, sites, 'a')
    // Replies come in by what is remembered of the pings that went out.
    const rules = [{ verdict: 'allow' as const, protocol: 1, icmpTypes: [{ type: 8 }] }]
    const policy = (id: number, direction: 'egress' | 'ingress') => ({
      id,
      port: 0,
      direction,
      rules: id === 1 ? rules : [],
      defaultVerdict: 'deny' as const,
    })
    const policies = { set: [policy(1, 'egress'), policy(2, 'ingress')], remove: [] }
    expect(await first.apply({ ...emptyTransaction(2), policies })).toMatchObject({ status: 'applied' })
    const before = await first.dump()
    let second = first
    // A busy machine may take longer for an upgrade than a flood does: then again, with a longer one.
    for (let count = 1500, isOver = true; isOver; count *= 4) {
      const flood = ping(count, 0.002)
      const loss = lossOf(flood)
      const former = second
      await sends(former, 50)
      await former.close({ keep: true })
      second = await tunDataplane({ ...options('a'), workers, upgrade: true })
      expect(pidOf(second)).not.toBe(pidOf(former))
      await expect.poll(() => existsSync(`/proc/${pidOf(former)}`)).toBe(false)
      expect({ ...(await second.dump()), routes: undefined }).toEqual({ ...before, routes: undefined })
      expect((await second.dump()).routes.count).toBe(before.routes.count)
      isOver = flood.exitCode !== null
      expect(await loss).toBe(0)
      expect(dropsOf(await second.counters(), 'policy')).toBe(0)
    }
    expect(readdirSync(join(directory, 'a')).filter((name) => name.endsWith('.sock'))).toHaveLength(1)
    // The one of today is found, and its devices go with it.
    await second.close({ keep: true })
    const third = await tunDataplane({ ...options('a'), workers })
    expect(pidOf(third)).toBe(pidOf(second))
    await third.close()
    expect(openFilesOf(pidOf(third)), 'descriptors of a forwarder that was closed').toEqual([])
    await expect.poll(() => existsSync(`/proc/${pidOf(third)}`)).toBe(false)
    expect(() => sites.in('pod-a', 'ip', 'link', 'show', 'eth0')).toThrow(/does not exist/)
  })

  it('has the limits of ports go on in a new process', async () => {
    const first = await tunDataplane({ ...options('a'), workers: 2 })
    await setUp(first, sites, 'a')
    const [port] = (await first.dump()).ports
    const egress = { bitsPerSecond: 1, burstOctets: 30 }
    const ports = { set: [{ ...port, rateLimits: { egress } }], remove: [] }
    expect(await first.apply({ ...emptyTransaction(2), ports })).toMatchObject({ status: 'applied' })
    expect(await lossOf(ping(1, 1))).toBe(0)
    /** Packets of the port that were not dropped. */
    const passed = async (of: TunDataplane): Promise<number> => {
      const { portIds, ports: rows } = await of.counters()
      const [received, , , , dropped] = rows.subarray(portIds.indexOf(port.id) * PORT_COUNTERS.length)
      return received - dropped
    }
    const before = await passed(first)
    expect(before).toBeGreaterThan(0)
    await first.close({ keep: true })
    const second = await tunDataplane({ ...options('a'), workers: 2, upgrade: true })
    expect((await second.dump()).ports).toContainEqual(ports.set[0])
    using lost = ping(1, 1)
    await expect.poll(async () => dropsOf(await second.counters(), 'egress-rate'), { timeout: 20_000 }).toBeGreaterThan(0)
    expect(await passed(second)).toBe(before)
    expect(lost.exitCode).toBe(null)
    await second.close()
  })

  it('has its BFD sessions go on in a new process, which the far end does not notice', async () => {
    const near = await tunDataplane(options('a'))
    await setUp(near, sites, 'a')
    const told: string[] = []
    const watched = (async () => {
      for await (const event of far.events) if ('liveness' in event && told.push(event.type) === 2) return
    })()
    const session = (at: Site, to: Site) => {
      const [local, remote] = [at, to].map((site) => IpAddress.parse(UNDERLAY[site][0]))
      return { id: 1, local, remote, hops: 'multiple', desiredMinTx: 200_000, requiredMinRx: 200_000, multiplier: 50 } as const
    }
    const none = { set: [], remove: [] }
    const { generation } = await far.dump()
    await far.apply({ ...emptyTransaction(generation + 1), liveness: { set: [session('b', 'a')], remove: [] } })
    await near.apply({ ...emptyTransaction(2), liveness: { set: [session('a', 'b')], remove: [] } })
    await expect.poll(async () => [(await near.dump()).up, (await far.dump()).up]).toEqual([[1], [1]])
    await near.close({ keep: true })
    const second = await tunDataplane({ ...options('a'), upgrade: true })
    expect(pidOf(second)).not.toBe(pidOf(near))
    expect((await second.dump()).up).toEqual([1])
    expect((await far.dump()).up).toEqual([1])
    // What ends the session is what the far end hears of next.
    await second.apply({ ...emptyTransaction(3), liveness: { ...none, remove: [1] } })
    await watched
    expect(told).toEqual(['liveness-up', 'liveness-unknown'])
    await far.apply({ ...emptyTransaction(generation + 2), liveness: { ...none, remove: [1] } })
    await second.close()
  })

  it('goes on when the agent that had it pause is gone', async () => {
    const first = await tunDataplane(options('a'))
    await setUp(first, sites, 'a')
    const remote = first as TunDataplane & { pause(): Promise<unknown> }
    await remote.pause()
    const pinging = lossOf(ping(1, 1))
    await first.close({ keep: true })
    expect(await pinging).toBe(0)
    const second = await tunDataplane(options('a'))
    await second.close()
  })

  it('survives octets that are no message', async () => {
    const near = await tunDataplane(options('a'))
    const socket = readdirSync(join(directory, 'a')).find((name) => name.endsWith('.sock')) as string
    for (const bytes of [
      Uint8Array.of(0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0, 0, 0, 0),
      Uint8Array.of(0, 0, 0, 8, 0, 0, 0, 99, 1, 2, 3, 4),
      new TextEncoder().encode('\0\0\0\x06\0\0\0\x02{}'),
      new TextEncoder().encode('\0\0\0\x12\0\0\0\x0e{"method":"x"}'),
    ]) {
      const stranger = connect(join(directory, 'a', socket))
      stranger.on('error', () => undefined)
      stranger.end(bytes)
      await once(stranger.resume(), 'close')
    }
    expect((await near.dump()).generation).toBe(0)
    await near.close()
  })

  it('tells why it cannot start', async () => {
    const absent = { ...options('a'), addresses: [IpAddress.parse('198.51.100.1')] }
    await expect(tunDataplane(absent)).rejects.toMatchObject({
      code: 'dataplane.device',
      message: expect.stringContaining('198.51.100.1') as string,
    })
  })

  it('is given up as dataplane.lost when it does not answer', async () => {
    const first = await tunDataplane(options('a'))
    const pid = pidOf(first)
    await first.close({ keep: true })
    process.kill(pid, 'SIGSTOP')
    await expect(tunDataplane({ ...options('a'), startTimeout: 500 })).rejects.toMatchObject({ code: 'dataplane.lost' })
    process.kill(pid, 'SIGCONT')
    const second = await tunDataplane(options('a'))
    expect(pidOf(second)).toBe(pid)
    await second.close()
  })

  it('counts what it drops', async () => {
    const near = await tunDataplane(options('a'))
    await setUp(near, sites, 'a')
    await once(sites.start('pod-a', 'ping', '-q', '-c', '1', '-W', '1', '10.99.0.1'), 'exit')
    await expect.poll(async () => dropsOf(await near.counters(), 'no-route')).toBeGreaterThan(0)
    await near.close()
  })

  it('counts what only the kernel saw: wrong checksums, and what sockets and devices had no room for', async () => {
    const near = await tunDataplane(options('a'))
    await setUp(near, sites, 'a')
    const none = await near.counters()
    expect((['kernel-socket', 'kernel-checksum', 'kernel-device'] as const).map((reason) => dropsOf(none, reason))).toEqual([0, 0, 0])
    // UDP headers with a checksum that does not fit, which the kernel sees when the socket is read.
    using raw = await RawSocket.open({ namespace: sites.path('site-b'), family: 4, protocol: 17, connect: UNDERLAY.a[0] })
    const wrong = Uint8Array.of(0xc3, 0x50, 0x19, 0xeb, 0, 12, 0x0b, 0xad, 1, 2, 3, 4)
    const words = new Uint32Array(DATAGRAM_DESCRIPTOR.words)
    words[DATAGRAM_DESCRIPTOR.length] = wrong.length
    for (let sent = 0; sent < 5; sent++) raw.sendBatch(wrong, words, 1)
    await expect.poll(async () => dropsOf(await near.counters(), 'kernel-checksum')).toBe(5)

    // More than the device's queue and the socket's buffer hold, while nobody reads them.
    process.kill(pidOf(near), 'SIGSTOP')
    const datagrams = new Uint8Array(1400 * 40)
    words[DATAGRAM_DESCRIPTOR.length] = datagrams.length
    words[DATAGRAM_DESCRIPTOR.segment] = 1400
    const far = { address: UNDERLAY.a[0], port: 6635 }
    using udp = await UdpBatchSocket.open({ namespace: sites.path('site-b'), bind: { address: UNDERLAY.b[0], port: 0 }, connect: far })
    for (let sent = 0; sent < 500; sent++) udp.sendBatch(datagrams, words, 1)
    const flood = `const socket = require('dgram').createSocket('udp4')
      let left = 3000
      socket.connect(9, '${POD.b[0]}', () => { for (let sent = 0; sent < 3000; sent++) socket.send('x', () => --left || socket.close()) })`
    await once(sites.start('pod-a', process.execPath, '-e', flood), 'exit')
    process.kill(pidOf(near), 'SIGCONT')
    await expect.poll(async () => dropsOf(await near.counters(), 'kernel-device')).toBeGreaterThan(0)
    const some = await near.counters()
    expect(dropsOf(some, 'kernel-socket')).toBeGreaterThan(0)
    const ofPort = some.ports[some.portIds.indexOf(0) * PORT_COUNTERS.length + PORT_COUNTERS.indexOf('drops')]
    expect(ofPort).toBeGreaterThanOrEqual(dropsOf(some, 'kernel-device'))
    await near.close()
  })

  /** A process that takes control of the forwarder, sets site a up, and then does nothing until it is killed. */
  async function startAgent(from: ReturnType<typeof options>): Promise<ChildProcess> {
    const { addresses, underlayNetns, stateDir } = from
    const argument = JSON.stringify({ addresses, underlayNetns, stateDir, prefix: sites.prefix, script: from.forwarder.script })
    const agent = spawn(process.execPath, [...RUN_SOURCES, AGENT, argument], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(agent.stdout as NodeJS.ReadableStream, 'data')
    return agent
  }
})

/** Ends the forwarders that a failed test left, by the pids in their log. */
function endForwarders(stateDir: string): void {
  for (const [, pid] of readFileSync(join(stateDir, LOG_NAME), 'utf8').matchAll(/"pid":(\d+)/g)) {
    const commandLine = `/proc/${pid}/cmdline`
    if (existsSync(commandLine) && readFileSync(commandLine, 'utf8').includes(stateDir)) process.kill(Number(pid), 'SIGKILL')
  }
}

function pidOf(dataplane: TunDataplane): number {
  return (dataplane as unknown as { greeting: { pid: number } }).greeting.pid
}

/** Descriptors that a process has; a process gives them back before its namespaces. */
function openFilesOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`)
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}
