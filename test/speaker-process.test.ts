// `heddle speaker` as a process between peers of this one: what is configured, reloaded, shown, followed, traced and written.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BmpStation, IPV4_UNICAST, MrtStream, Speaker, type BmpItem, type LocalRoute } from '@heddle/bgp'
import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { linuxTcpTransport, nativeAvailability, probe } from '@heddle/linux'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { root } from '../scripts/lib/packages.mjs'

const run = promisify(execFile)
const executable = join(root, 'packages', 'heddle', 'bin', 'heddle.js')
const RR = '127.0.48.1'
const A = '127.0.48.2'
const B = '127.0.48.3'
const tshark = ['/usr/bin/tshark', '/usr/local/bin/tshark'].find((path) => existsSync(path))
const native = nativeAvailability()
const md5 = probe().features['tcp-md5']
const keyless = native.available ? (md5.available ? '' : ` (not run: ${md5.reason})`) : ` (not run: ${native.reason})`
let folder: string
const ends: (() => Promise<unknown>)[] = []

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-speaker-'))
})
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function until<T>(what: string, ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new TypeError(`never happened: ${what}`)
}

interface Process {
  readonly child: ChildProcess
  output(): string
}

function spawned(words: readonly string[], flags: readonly string[] = []): Process {
  const child = spawn(process.execPath, [...flags, executable, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const gone = new Promise((resolve) => child.once('exit', resolve))
  ends.push(async () => {
    child.kill('SIGTERM')
    await gone
  })
  return { child, output: () => text }
}

interface Parts {
  readonly process: Process
  readonly file: string
  readonly port: number
  readonly heddle: (...words: string[]) => Promise<string>
  readonly a: Speaker
  readonly b: Speaker
  readonly write: (change?: (bgp: Record<string, unknown>) => void) => void
}

/** A reflector between two peers. */
async function reflecting(more: object = {}, flags: readonly string[] = []): Promise<Parts> {
  const socket = join(folder, `${ends.length}-${Date.now()}.sock`)
  const file = `${socket}.yaml`
  const port = await freePort()
  const write: Parts['write'] = (change = () => undefined) => {
    const bgp: Record<string, unknown> = {
      as: 65000,
      listen: [{ address: RR, port }],
      policies: { 'no-small': 'term small\n match prefix 0.0.0.0/0 ge 30\n reject\notherwise accept' },
      groups: { clients: { as: 65000, routeReflectorClient: true, passive: true, families: ['ipv4-unicast'] } },
      neighbors: [
        { address: A, group: 'clients' },
        { address: B, group: 'clients', description: 'the second' },
      ],
      networks: [{ prefix: '203.0.113.0/24', nextHop: '192.0.2.1', communities: ['65000:1'] }],
      ...more,
    }
    change(bgp)
    writeFileSync(file, stringify({ node: { name: 'rr', address: RR }, socket, bgp }))
  }
  write()
  const started = spawned(['speaker', '--config', file], flags)
  await until(`ready: ${started.output()}`, () => started.output().includes('ready') || undefined)
  const peer = (address: string): Speaker =>
    new Speaker({
      clock: nodeClock,
      random: nodeRandom,
      transport: nodeTcpTransport(),
      config: {
        as: 65000,
        routerId: address,
        neighbors: [{ address: RR, port, as: 65000, localAddress: address, families: ['ipv4-unicast'], connectRetry: 1 }],
      },
    })
  const [a, b] = [peer(A), peer(B)]
  for (const speaker of [a, b]) {
    ends.push(async () => speaker.stop())
    await speaker.start()
  }
  await until('both sessions', () => [a, b].every((speaker) => speaker.neighbors()[0].state === 'established') || undefined)
  const heddle = async (...words: string[]): Promise<string> => {
    const { stdout } = await run(process.execPath, [executable, '--socket', socket, ...words], { maxBuffer: 1 << 28 })
    return stdout
  }
  return { process: started, file, port, heddle, a, b, write }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, RR)
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

const route = (prefix: string, nextHop = '192.0.2.2'): LocalRoute => ({
  family: IPV4_UNICAST,
  nlri: { kind: 'unicast', prefix: IpPrefix.parse(prefix) },
  nextHop: IpAddress.parse(nextHop),
})
const received = (speaker: Speaker): string[] =>
  [...speaker.routes({ family: 'ipv4-unicast', neighbor: RR })]
    .map(({ nlri }) => (nlri.kind === 'unicast' ? String(nlri.prefix) : ''))
    .sort()

describe('a configuration that is read again', () => {
  it('says first what it will do, then does it, and leaves alone who is not in it', async () => {
    const { heddle, a, b, write, process: rr } = await reflecting()
    a.announce([route('10.0.0.1/32'), route('10.0.0.0/24')])
    await until('B has them', () => received(b).length === 3 || undefined)
    const before = b.neighbors()[0]
    let updates = 0
    b.trace(RR, ({ direction, message }) => (direction === 'received' && message[18] === 2 ? updates++ : undefined))

    write(
      (bgp) =>
        (bgp['neighbors'] = [
          { address: A, group: 'clients', description: 'the first' },
          { address: B, group: 'clients', description: 'the second' },
        ]),
    )
    expect(JSON.parse(await heddle('reload', '--dry-run', '--json'))).toEqual([
      { what: 'neighbor', name: A, kind: 'change', impact: 'nothing', fields: ['description'] },
      { what: 'neighbor', name: B, kind: 'keep', impact: 'nothing', fields: [] },
    ])
    const [shown] = JSON.parse(await heddle('show', 'neighbors', '--json')) as { description: string | null }[]
    expect(shown.description).toBeNull()
    expect(await heddle('reload')).toMatch(
      /^CHANGE {2}WHAT {6}NAME {8}SESSION {2}KEYS\nchange {2}neighbor {2}127\.0\.48\.2 {2}nothing {2}description\n$/,
    )
    expect(await heddle('reload')).toBe('nothing changes\n')

    // a session that begins anew is that of the one neighbor that needs it
    write(
      (bgp) =>
        (bgp['neighbors'] = [
          { address: A, group: 'clients', holdTime: 30 },
          { address: B, group: 'clients', description: 'the second' },
        ]),
    )
    expect(await heddle('reload', '--dry-run')).toContain('reset    description holdTime')
    expect(a.neighbors()[0].established).toBe(1)
    await heddle('reload')
    await until('A is back', () => (a.neighbors()[0].established === 2 && a.neighbors()[0].state === 'established') || undefined)
    await until('B has its routes', () => received(b).length === 3 || undefined)
    expect(b.neighbors()[0]).toMatchObject({ established: before.established, state: 'established' })

    // what is refused changes nothing, by command and by signal
    write((bgp) => (bgp['as'] = 0))
    await expect(heddle('reload')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/\.yaml:\d+:\d+: bgp\.as: found 0; allowed/) as string,
    })
    rr.child.kill('SIGHUP')
    await until('the signal is answered', () => rr.output().includes('configuration refused, the old one stays') || undefined)
    expect(b.neighbors()[0].established).toBe(before.established)
  })

  it('changes what it is as a whole: a peer that nobody has named comes by a place that was not there, and the others do not notice', async () => {
    const { heddle, a, b, write } = await reflecting()
    const updates = (speaker: Speaker): number => speaker.neighbors()[0].messages.received.update
    await until('the route and the end of the table', () => [a, b].every((speaker) => updates(speaker) === 2) || undefined)
    const second = await freePort()
    const change = (bgp: Record<string, unknown>): void => {
      Object.assign(bgp, {
        listen: [...(bgp['listen'] as object[]), { address: RR, port: second }],
        decision: { multipath: 2 },
        dynamicNeighbors: [{ prefix: '127.0.49.0/24', group: 'clients' }],
        mrt: { updates: { path: join(folder, 'later.mrt') } },
      })
    }
    write(change)
    const changes =
      /^CHANGE .*\nchange {2}speaker {2}listen .*\nchange {2}speaker {2}decision .*\nchange {2}speaker {2}dynamicNeighbors .*\nadd {5}mrt {6}updates .*\n$/
    expect(await heddle('reload', '--dry-run')).toMatch(changes)
    expect(await heddle('reload')).toMatch(changes)
    const late = new Speaker({
      clock: nodeClock,
      random: nodeRandom,
      transport: nodeTcpTransport(),
      config: {
        as: 65000,
        routerId: '127.0.49.1',
        neighbors: [{ address: RR, port: second, as: 65000, localAddress: '127.0.49.1', families: ['ipv4-unicast'], connectRetry: 1 }],
      },
    })
    ends.push(async () => late.stop())
    await late.start()
    await until('the late one has the route', () => received(late).join() === '203.0.113.0/24' || undefined)
    expect([a, b].map((speaker) => speaker.neighbors()[0])).toMatchObject(
      [2, 2].map((update) => ({ state: 'established', established: 1, messages: { received: { update } } })),
    )
    // where a place cannot be had, nothing of the change is done
    write((bgp) => {
      change(bgp)
      Object.assign(bgp, { listen: [{ address: '192.0.2.200', port: second }], neighbors: [] })
    })
    await expect(heddle('reload')).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(/192\.0\.2\.200 port \d+/) as string })
    expect([a, b, late].map((speaker) => speaker.neighbors()[0].state)).toEqual(['established', 'established', 'established'])
  })

  it.skipIf(keyless !== '')(
    `asks for a key once a peer has one, though it listened without${keyless}`,
    async () => {
      const { heddle, a, b, port, write } = await reflecting()
      const K = '127.0.48.4'
      const authentication = { kind: 'tcp-md5', key: 'secret' } as const
      write((bgp) => (bgp['neighbors'] = [...(bgp['neighbors'] as object[]), { address: K, group: 'clients', authentication }]))
      expect(await heddle('reload')).toMatch(/add {5}neighbor {2}127\.0\.48\.4/)
      const keyed = new Speaker({
        clock: nodeClock,
        random: nodeRandom,
        transport: linuxTcpTransport(),
        config: {
          as: 65000,
          routerId: K,
          neighbors: [{ address: RR, port, as: 65000, localAddress: K, families: ['ipv4-unicast'], connectRetry: 1, authentication }],
        },
      })
      ends.push(async () => keyed.stop())
      await keyed.start()
      await until('the session with a key', () => keyed.neighbors()[0].state === 'established' || undefined)
      expect([a, b].map((speaker) => speaker.neighbors()[0])).toMatchObject(
        [1, 1].map((established) => ({ state: 'established', established })),
      )
      // and others come as before
      b.resetNeighbor(RR)
      await until(
        'a new session without one',
        () => (b.neighbors()[0].established === 2 && b.neighbors()[0].state === 'established') || undefined,
      )
    },
    60_000,
  )

  it('looks at routes again where a policy changes, without a word to the others', async () => {
    const { heddle, a, b, write, process: rr } = await reflecting()
    b.announce([route('10.9.0.0/24', '192.0.2.3')])
    a.announce([route('10.0.0.1/32'), route('10.0.0.0/24')])
    await until('B has them', () => received(b).length === 3 || undefined)
    await until('A has them', () => received(a).length === 2 || undefined)
    let toA = 0
    a.trace(RR, ({ direction, message }) => (direction === 'received' && message[18] === 2 ? toA++ : undefined))
    write(
      (bgp) =>
        (bgp['neighbors'] = [
          { address: A, group: 'clients', importPolicy: 'no-small' },
          { address: B, group: 'clients', description: 'the second' },
        ]),
    )
    rr.child.kill('SIGHUP')
    await until('the small one is gone', () => received(b).join() === '10.0.0.0/24,203.0.113.0/24' || undefined)
    expect(rr.output()).toMatch(/configuration reloaded.*change neighbor 127\.0\.48\.2: refresh \(importPolicy\)/)
    expect([a.neighbors()[0].established, b.neighbors()[0].established, toA]).toEqual([1, 1, 0])
    const explained = await heddle('show', 'bgp', 'explain', '10.0.0.1/32')
    expect(explained).toMatch(/10\.0\.0\.1\/32, ipv4-unicast\n/)
    expect(explained).toMatch(/127\.0\.48\.2 +invalid +policy +no-small\/small/)
    expect(explained).toMatch(/127\.0\.48\.3 +no +no-path/)
  })
})

describe('heddle show bgp', () => {
  it('has every view, for people and as arrays', async () => {
    const { heddle, a, b } = await reflecting()
    a.announce([route('10.0.0.0/24')])
    await until('B has it', () => received(b).length === 2 || undefined)
    for (const words of [
      'summary',
      'neighbors',
      'routes',
      'attributes',
      'policies',
      'explain 10.0.0.0/24',
      'metrics',
      'statistics',
      'routes --table loc-rib',
      `routes --table adj-out --peer ${B}`,
    ]) {
      const view = ['show', 'bgp', ...words.split(' ')]
      const [text, json] = await Promise.all([heddle(...view), heddle(...view, '--json')])
      expect(text).not.toBe('')
      expect(Array.isArray(JSON.parse(json))).toBe(true)
    }
    // but for how long the sessions have been up
    const ageless = (text: string): string => text.replaceAll(/\d+s\b/g, '').replaceAll(/ +/g, ' ')
    const [short, long] = await Promise.all([heddle('show', 'neighbors'), heddle('show', 'bgp')])
    expect(ageless(short)).toBe(ageless(long))
    expect(await heddle('show', 'bgp', 'neighbors', A)).toMatch(
      /^neighbor 127\.0\.48\.2, AS 65000\n {2}state +established, for .*\n[^]*capabilities +four-octet AS, [^]*routes ipv4-unicast {2}received 1, sent 1\n/,
    )
    expect(await heddle('show', 'bgp', 'routes', '10.0.0.0/8', '--longer')).toMatch(
      /> .*ipv4-unicast +- +10\.0\.0\.0\/24 +127\.0\.48\.2 +192\.0\.2\.2/,
    )
    expect(JSON.parse(await heddle('show', 'bgp', 'routes', '--peer', 'local', '--community', '65000:*', '--json'))).toMatchObject([
      { destination: '203.0.113.0/24', communities: ['65000:1'] },
    ])
    await expect(heddle('show', 'bgp', 'neighbors', '192.0.2.200')).rejects.toMatchObject({ code: 1 })
  })

  it('streams a large table through a small client and a speaker with little to spare', async () => {
    const { heddle: _heddle, a, b, process: rr, file } = await reflecting({}, ['--max-old-space-size=96'])
    const count = 100_000
    for (let at = 0; at < count; at += 10_000) {
      a.announce(
        Array.from({ length: 10_000 }, (_, index) =>
          route(`10.${(at + index) >> 16}.${((at + index) >> 8) & 255}.${(at + index) & 255}/32`),
        ),
      )
      await a.flushed()
    }
    await until('B has all', () => (b.neighbors()[0].families[0].received === count + 1 ? true : undefined))
    const socket = file.replace('.yaml', '')
    // the rows are some 40 MB of text; a client that kept them would not have the room
    const client = spawn(process.execPath, ['--max-old-space-size=24', executable, '--socket', socket, 'show', 'bgp', 'routes', '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let [rows, size] = [0, 0]
    client.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      rows += chunk.toString('latin1').split('"destination"').length - 1
    })
    expect(await new Promise((resolve) => client.once('close', resolve))).toBe(0)
    expect(size).toBeGreaterThan(30e6)
    // a piece may be cut within the word
    expect(Math.abs(rows - count)).toBeLessThan(5000)
    expect(rr.child.exitCode).toBeNull()
    expect([a, b].map((speaker) => speaker.neighbors()[0].established)).toEqual([1, 1])
  })

  it('follows what changes, numbered without a gap', async () => {
    const { a, file } = await reflecting()
    const socket = file.replace('.yaml', '')
    const follower = spawned(['--socket', socket, 'show', 'bgp', 'routes', '--follow', '--json'])
    const rows = (): { event: string; sequence: number; after: number; route?: { destination: string }; destination?: string }[] =>
      follower
        .output()
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as ReturnType<typeof rows>[number])
    await until('the snapshot', () => rows().some(({ event }) => event === 'end-of-snapshot') || undefined)
    a.announce([route('10.0.0.0/24'), route('10.0.1.0/24')])
    await until('both', () => rows().some(({ route: shown }) => shown?.destination === '10.0.1.0/24') || undefined)
    a.withdraw([route('10.0.0.0/24')])
    const gone = await until('one gone', () => rows().find(({ event }) => event === 'gone'))
    expect(gone.destination).toBe('10.0.0.0/24')
    rows()
      .slice(1)
      .forEach(({ after }, at) => expect(after).toBe(rows()[at].sequence))
  })

  it.skipIf(tshark === undefined)(
    `traces a session into a capture that tshark reads${tshark === undefined ? ' (not run: tshark is not installed)' : ''}`,
    async () => {
      const { a, heddle, file, port } = await reflecting()
      const capture = join(folder, 'trace.pcapng')
      const socket = file.replace('.yaml', '')
      const tracer = spawned(['--socket', socket, 'show', 'bgp', 'trace', A, '--pcapng', capture, '--count', '9'])
      const ended = new Promise((resolve) => tracer.child.once('exit', resolve))
      const lines = spawned(['--socket', socket, 'show', 'bgp', 'trace', A])
      // until it follows, nothing of what goes by is told
      for (let host = 1; tracer.child.exitCode === null || !lines.output().includes('\n'); host++) {
        a.announce([route(`10.0.0.${host % 250}/32`)])
        if (host % 10 === 0) a.requestRefresh(RR, 'ipv4-unicast')
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      expect(await ended).toBe(0)
      const { stdout } = await run(tshark ?? '', [
        '-r',
        capture,
        '-T',
        'fields',
        '-e',
        'ip.src',
        '-e',
        'tcp.dstport',
        '-e',
        'bgp.type',
        '-e',
        'bgp.nlri_prefix',
        '-e',
        '_ws.malformed',
      ])
      const rows = stdout
        .trim()
        .split('\n')
        .map((line) => line.split('\t'))
      const messages = rows.filter(([, , type]) => type !== '')
      expect(messages.flatMap(([, , type]) => type.split(','))).toHaveLength(9)
      expect(new Set(messages.map(([source]) => source)).size).toBeGreaterThanOrEqual(1)
      expect(messages.some(([source, , type, prefix]) => source === A && type === '2' && prefix.startsWith('10.0.0.'))).toBe(true)
      expect(rows.every(([, , , , malformed = '']) => malformed === '')).toBe(true)
      const [first] = lines.output().split('\n')
      expect(JSON.parse(first)).toMatchObject({ neighbor: A, ok: true, message: { type: expect.any(String) as string } })
      // and the same by the decoder of captures
      const decoded = (await heddle('decode', 'pcap', capture))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { ok: boolean; message: { type: string } })
      expect(decoded).toHaveLength(9)
      expect(decoded.every(({ ok }) => ok)).toBe(true)
      expect(port).toBeGreaterThan(0)
    },
    60_000,
  )
})

it('tells a station, writes updates and tables, and says so of all of them when it ends', async () => {
  const items: BmpItem[] = []
  const stream = new BmpStation()
  const server = createServer((socket) =>
    socket.on('data', (chunk) => stream.push(chunk).forEach((item) => 'error' in item || items.push(item))).on('error', () => undefined),
  )
  await new Promise<void>((resolve) => server.listen(0, RR, resolve))
  ends.push(async () => new Promise((resolve) => server.close(resolve)))
  const [updates, table] = [join(folder, 'updates.mrt'), join(folder, 'table-%t.mrt')]
  const {
    a,
    b,
    process: rr,
    heddle,
  } = await reflecting({
    bmp: [{ address: RR, port: (server.address() as AddressInfo).port, statistics: 0 }],
    mrt: { updates: { path: updates }, table: { path: table, interval: 1 } },
  })
  a.announce([route('10.0.0.0/24')])
  await until('B has it', () => received(b).length === 2 || undefined)
  const tables = (): Set<number> =>
    new Set(
      items.flatMap(({ message }) =>
        message.type === 'route-monitoring' && message.pdu.length > 23 ? [message.peer.peerType * 256 + message.peer.flags] : [],
      ),
    )
  // before and after policy, what is chosen, what is sent
  await until('all tables', () => [0, 64, 768, 80].every((one) => tables().has(one)) || undefined)
  const file = await until('a table', async () => {
    const { stdout } = await run('ls', [folder])
    return stdout.split('\n').find((name) => /^table-\d{8}T\d{6}Z\.mrt$/.test(name))
  })
  expect(await heddle('decode', 'mrt', '--summary', join(folder, file))).toMatch(/1 {2}13\/1 peer-index-table/)
  rr.child.kill('SIGTERM')
  await until('its end', () => (rr.child.exitCode === null ? undefined : true))
  expect(items.at(-1)?.message).toEqual({ type: 'termination', tlvs: [{ kind: 'reason', reason: 0 }] })
  const results = new MrtStream().push(readFileSync(updates))
  expect(results.filter((result) => result.ok && result.record.kind === 'message').length).toBeGreaterThan(2)
})
