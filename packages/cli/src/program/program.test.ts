import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { serveControl, type ControlServer } from '../control/server.js'
import { ControlError, type ControlHandler } from '../control/protocol.js'
import { parseNode, parseSpeaker } from '../config/load.js'
import { VIEW_NAMES } from '../output/view-names.js'
import { run } from './program.js'

let folder: string
let server: ControlServer | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-program-'))
})
afterEach(async () => {
  await server?.close()
  server = undefined
  await rm(folder, { recursive: true })
})

async function heddle(words: readonly string[], input = ''): Promise<{ code: number; out: string; error: string }> {
  let out = ''
  let error = ''
  const code = await run(words, {
    version: '1.2.3',
    executable: '/nowhere',
    output: {
      write(text) {
        out += text
        return true
      },
      drained: async () => undefined,
      error: (text) => (error += text),
      isTerminal: false,
    },
    input: (async function* () {
      yield new TextEncoder().encode(input)
    })(),
  })
  return { code, out, error }
}

async function serve(handler: ControlHandler): Promise<string[]> {
  server = await serveControl(join(folder, 'node.sock'), handler)
  return ['--socket', server.path]
}

describe('command line', () => {
  it('prints version and help, with examples and exit codes', async () => {
    expect(await heddle(['--version'])).toMatchObject({ code: 0, out: '1.2.3\n' })
    const help = await heddle(['--help'])
    expect(help).toMatchObject({ code: 0 })
    expect(help.out).toContain('heddle explain --vrf red')
    expect(help.out).toContain('0 done, 1 refused, 2 usage, 3 node unreachable')
  })

  it.each([
    ['node', parseNode],
    ['speaker', parseSpeaker],
  ] as const)('gives a configuration to begin with in the help of %s, which is one', async (role, parse) => {
    const { out } = await heddle([role, '--help'])
    const [, behind] = out.split('A configuration to begin with')
    const yaml = behind.split('\n').filter((line) => line.startsWith('  '))
    expect(parse('help', yaml.join('\n')).bgp.as).toBe(65000)
  })

  it.each([['heddle'], ['heddle show'], ['heddle show bgp'], ['heddle endpoint'], ['heddle decode'], ['heddle cni'], ['heddle dataplane']])(
    'has every command of %s in the README',
    async (whole) => {
      const words = whole.split(' ').slice(1)
      const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
      const { out } = await heddle([...words, '--help'])
      const names = [...(out.split('\nCommands:\n')[1] ?? '').matchAll(/^ {2}([a-z]+)/gm)]
        .map(([, name]) => name)
        .filter((name) => name !== 'help')
      expect(names).not.toEqual([])
      // what belongs to one command may stand in its row, behind a backtick or beside its siblings
      const place = words.includes('bgp') ? readme.slice(readme.indexOf('## BGP')) : readme
      for (const name of names) expect(place).toMatch(new RegExp(`(heddle ${[...words, name].join(' ')}|[\\x60|]${name}\\b)`))
    },
  )

  it('says of every view what it is', async () => {
    const { out } = await heddle(['show', '--help'])
    for (const name of [...VIEW_NAMES, 'metrics', 'bgp']) expect(out).toMatch(new RegExp(`^  ${name} +\\w`, 'm'))
  })

  it.each([
    [['show', 'rotues'], 'Did you mean routes?\nSee heddle show --help.'],
    [['show', 'bgp', 'explan'], 'Did you mean explain?\nSee heddle show bgp --help.'],
    [['speaker'], "required option '--config <file>' not specified\nSee heddle speaker --help."],
    [['capture'], 'whose packets?\nSee heddle capture --help.'],
    [['lab', '--memory', '--ebpf', 'cloud-b'], 'cannot be used with'],
    [['trace', '--port', '99999'], '0–65535'],
  ])('shows the way out of %j', async (words, hint) => {
    const { code, error } = await heddle(words)
    expect(code).toBe(2)
    expect(error).toContain(hint)
  })

  it('names the file that cannot be read', async () => {
    const file = join(folder, 'none.mrt')
    expect(await heddle(['decode', 'mrt', file])).toEqual({ code: 1, out: '', error: `heddle: ${file}: no such file or directory\n` })
    expect(await heddle(['speaker', '--config', folder])).toEqual({ code: 1, out: '', error: `heddle: ${folder}: a directory\n` })
  })

  it('asks for the limits of an endpoint', async () => {
    const asked: unknown[] = []
    const row = { vrf: 'red', netns: '/run/netns/p', ifname: 'eth0', addresses: ['10.0.0.1'], link: 'ip', mac: null, label: 16, mtu: 1400 }
    const rateLimits = { egress: { bitsPerSecond: 10_000_000, burstOctets: 300_000 }, ingress: null }
    const socket = await serve(async (_method, params) => {
      asked.push(params)
      return { ...row, rateLimits, state: 'attached', error: null }
    })
    const add = [...socket, 'endpoint', 'add', '--vrf', 'red', '--netns', '/run/netns/p', '--ifname', 'eth0', '--address', '10.0.0.1']
    const { out } = await heddle([...add, '--egress-rate', '10M', '--egress-burst', '300k'])
    expect(asked).toMatchObject([{ rateLimits: { egress: rateLimits.egress } }])
    expect(out).toMatch(/RATE OUT\/IN.*\n.* 10M\/- /)
    await heddle([...add, '--ingress-rate', '1G'])
    expect(asked[1]).toMatchObject({ rateLimits: { ingress: { bitsPerSecond: 1_000_000_000 } } })
    expect(await heddle([...add, '--ingress-burst', '1M'])).toMatchObject({
      code: 2,
      error: expect.stringContaining('needs --ingress-rate'),
    })
    expect(await heddle([...add, '--egress-rate', '10m'])).toMatchObject({ code: 2, error: expect.stringContaining('with k, M, G or T') })
    expect(asked).toHaveLength(2)
  })

  it('shows endpoints of a running node of the version before, which tells nothing of limits', async () => {
    const row = { vrf: 'red', netns: '/run/netns/p', ifname: 'eth0', addresses: ['10.0.0.1'], link: 'ip', mac: null, label: 16, mtu: 1400 }
    const socket = await serve(async () => [{ ...row, state: 'attached', error: null }])
    expect(await heddle([...socket, 'show', 'endpoints'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/RATE OUT\/IN.*\n.* -\/- /),
    })
  })

  it('answers a program in JSON where people are told nothing', async () => {
    const socket = await serve(async () => ({}))
    const device = ['--netns', '/run/netns/p', '--ifname', 'eth0']
    expect((await heddle([...socket, 'endpoint', 'del', ...device])).out).toBe('')
    const { out } = await heddle([...socket, 'endpoint', 'del', ...device, '--json'])
    expect(JSON.parse(out)).toEqual({ netns: '/run/netns/p', ifname: 'eth0', state: 'detached' })
    expect((await heddle([...socket, 'stop', '--restart', '--json'])).out).toBe('{"stopping":true,"restart":true}\n')
  })

  it.each([
    [['shwo'], 'show'],
    [['show', 'rutes'], 'neighbors, vrfs, routes'],
    [['node'], '--config'],
    [['node', '--config', 'x.yaml', '--log-level', 'loud'], 'trace, debug, info'],
    [['endpoint', 'add', '--vrf', 'red'], '--netns'],
    [['--node', '../x', 'show', 'routes'], '--node takes'],
    [['explain', '--sport', '70000'], '0–65535'],
    [['decode', 'ospf'], 'bgp, mrt, bmp, pcap'],
    [['decode', 'mrt', '--table', '--summary'], 'cannot be used with'],
    [['show', 'bgp', 'rutes'], 'summary, neighbors, routes'],
    [['show', 'bgp', 'routes', '--family', 'ipx'], 'vpnv4-unicast'],
    [['show', 'bgp', 'routes', '--table', 'fib'], 'adj-in, loc-rib, adj-out'],
    [['show', 'bgp', 'explain'], 'prefix'],
    [['show', 'bgp', 'trace', '192.0.2.1', '--count', '0'], '1–999999999'],
    [['trace', '--count', '0'], '1–999999999'],
    [['trace', '--count', '1.5'], '1–999999999'],
    [['capture', '--address', '192.0.2.1', '--count', '0'], '1–999999999'],
    [['capture', '--address', '192.0.2.1', '--snap-length', '0'], '1–65535'],
    [['capture', '--address', '192.0.2.1', '--snap-length', '65536'], '1–65535'],
    [['capture', '--extcap-interface', 'heddle/a/red/10.1.0.1', '--fifo', 'none', '--capture', '--snap-length', '0'], '1–65535'],
  ])('exits 2 on %j', async (words, hint) => {
    const { code, error } = await heddle(words)
    expect(code).toBe(2)
    expect(error).toContain(hint)
  })

  it('exits 1 on a configuration that is refused, and says where', async () => {
    const { code, error } = await heddle(['node', '--config', join(folder, 'none.yaml')])
    expect(code).toBe(1)
    expect(error).toContain('no such file')
  })

  it('exits 3 when no node is there', async () => {
    const { code, error } = await heddle(['--socket', join(folder, 'none.sock'), 'show', 'routes'])
    expect(code).toBe(3)
    expect(error).toContain('no node serves')
  })

  it('exits 1 when the node refuses, with its words', async () => {
    const socket = await serve(async () => {
      throw new ControlError('control.params', 'no such VRF')
    })
    const { code, error } = await heddle([...socket, 'endpoint', 'del', '--netns', '/run/netns/x', '--ifname', 'eth0'])
    expect(code).toBe(1)
    expect(error).toBe('heddle: no such VRF (control.params)\n')
  })

  it('shows rows as a table, or as a JSON array', async () => {
    const socket = await serve(async (method, params) => {
      expect([method, params]).toEqual(['show', { what: 'drops' }])
      return [
        { reason: 'no-route', packets: 3 },
        { reason: 'policy', packets: 0 },
      ]
    })
    expect(await heddle([...socket, 'show', 'drops'])).toMatchObject({ code: 0, out: 'REASON    PACKETS\nno-route        3\n' })
    const { out } = await heddle([...socket, 'show', 'drops', '--json'])
    expect(JSON.parse(out)).toHaveLength(2)
  })

  it('hands an endpoint over as it was given', async () => {
    const socket = await serve(async (_method, params) => ({ ...(params as object), label: 16, mtu: 1400, state: 'attached', error: null }))
    const { code, out } = await heddle([
      ...socket,
      ...'endpoint add --vrf red --netns /run/netns/p --ifname eth0 --address 10.1.0.1 --address fd00::1 --json'.split(' '),
    ])
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ vrf: 'red', netns: '/run/netns/p', ifname: 'eth0', addresses: ['10.1.0.1', 'fd00::1'] })
  })

  it('decodes BGP from standard input', async () => {
    const { code, out } = await heddle(['decode', 'bgp'], `${'ff'.repeat(16)}001304\nx\n`)
    expect(code).toBe(0)
    expect(
      out
        .trim()
        .split('\n')
        .map((line): unknown => JSON.parse(line)),
    ).toMatchObject([{ ok: true }, { ok: false }])
  })
})
