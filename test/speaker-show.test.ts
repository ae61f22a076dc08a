// `heddle show bgp` of a speaker that is a process: views, streams, traces.
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { ReflectorLab, executable, route, until } from './support/reflector-lab.js'

const run = promisify(execFile)
const tshark = ['/usr/bin/tshark', '/usr/local/bin/tshark'].find((path) => existsSync(path))
const lab = new ReflectorLab('127.0.51')
const { rr: RR, a: A, b: B } = lab
afterEach(async () => lab.end())
afterAll(() => lab.remove())

describe('heddle show bgp', () => {
  it('has every view, for people and as arrays', async () => {
    const { heddle, a, b } = await lab.reflecting()
    a.announce([route('10.0.0.0/24')])
    await until('B has it', () => lab.received(b).length === 2 || undefined)
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
      /^neighbor 127\.0\.51\.2, AS 65000\n {2}state +established, for .*\n[^]*capabilities +four-octet AS, [^]*routes ipv4-unicast {2}received 1, sent 1\n/,
    )
    expect(await heddle('show', 'bgp', 'routes', '10.0.0.0/8', '--longer')).toMatch(
      /> .*ipv4-unicast +- +10\.0\.0\.0\/24 +127\.0\.51\.2 +192\.0\.2\.2/,
    )
    expect(JSON.parse(await heddle('show', 'bgp', 'routes', '--peer', 'local', '--community', '65000:*', '--json'))).toMatchObject([
      { destination: '203.0.113.0/24', communities: ['65000:1'] },
    ])
    await expect(heddle('show', 'bgp', 'neighbors', '192.0.2.200')).rejects.toMatchObject({ code: 1 })
  })

  it('streams a large table through a small client and a speaker with little to spare', async () => {
    const { heddle: _heddle, a, b, process: rr, socket } = await lab.reflecting({}, ['--max-old-space-size=96'])
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
    const { a, socket } = await lab.reflecting()
    const follower = lab.spawned(['--socket', socket, 'show', 'bgp', 'routes', '--follow', '--json'])
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
      const { a, heddle, socket, port } = await lab.reflecting()
      const capture = join(lab.folder, 'trace.pcapng')
      const tracer = lab.spawned(['--socket', socket, 'show', 'bgp', 'trace', A, '--pcapng', capture, '--count', '9'])
      const ended = new Promise((resolve) => tracer.child.once('exit', resolve))
      const lines = lab.spawned(['--socket', socket, 'show', 'bgp', 'trace', A])
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
