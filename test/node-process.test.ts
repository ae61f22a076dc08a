// `heddle node` and `heddle speaker` as processes: what they say, what signals do, and that what goes wrong is named and leaves nothing behind.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { root } from '../scripts/lib/packages.mjs'

const executable = join(root, 'packages', 'heddle', 'bin', 'heddle.js')
let folder: string
const running: Started[] = []

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-process-'))
  chmodSync(folder, 0o777) // one test runs as somebody else
})
afterEach(async () => {
  for (const started of running.splice(0)) await started.end('SIGKILL')
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

type Signal = Parameters<ChildProcess['kill']>[0]

interface Started {
  readonly child: ChildProcess
  /** What it has said. */
  output(): string
  /** Resolves when it has said `what`; rejects when it ends before. */
  says(what: string | RegExp): Promise<void>
  readonly ended: Promise<{ code: number | null; signal: string | null }>
  end(signal: Signal): Started['ended']
}

function start(words: readonly string[], options: { readonly uid?: number } = {}): Started {
  const child = spawn(process.execPath, [executable, ...words], { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  let text = ''
  const watchers = new Set<() => void>()
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    // Not at its exit: what it said last may not have been read then.
    child.once('close', (code, signal) => resolve({ code, signal })),
  )
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      for (const watcher of watchers) watcher()
    })
  }
  const started: Started = {
    child,
    ended,
    output: () => text,
    says: (what) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (typeof what === 'string' ? !text.includes(what) : !what.test(text)) return
          watchers.delete(look)
          resolve()
        }
        watchers.add(look)
        look()
        void ended.then(() => reject(new TypeError(`it ended without saying ${String(what)}:\n${text}`)))
      }),
    async end(signal) {
      child.kill(signal)
      return ended
    },
  }
  running.push(started)
  return started
}

function heddle(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [executable, ...words], { encoding: 'utf8', timeout: 60_000 })
}

let files = 0
function write(config: unknown): { file: string; socket: string } {
  const name = `n${files++}`
  const socket = join(folder, `${name}.sock`)
  const file = join(folder, `${name}.yaml`)
  writeFileSync(file, stringify({ socket, ...(config as object) }))
  return { file, socket }
}

const node = (change: object = {}): object => ({
  node: { name: 'a', address: '127.0.0.1' },
  bgp: { as: 65000, neighbors: [] },
  vrfs: [{ name: 'red', rd: '65000:1', import: ['65000:1'], export: ['65000:1'] }],
  endpoints: [{ vrf: 'red', netns: '/run/netns/pod-1', ifname: 'eth0', addresses: ['10.1.0.1', 'fd00::1'] }],
  dataplane: { kind: 'memory' },
  ...change,
})

describe('heddle node', () => {
  it('says that it serves, shows what it has, takes and gives back endpoints, and explains packets', async () => {
    const { file, socket } = write(node())
    await start(['node', '--config', file]).says(`heddle node a ready: socket ${socket}`)
    const ask = (...words: string[]) => heddle('--socket', socket, ...words)
    expect(JSON.parse(ask('show', 'endpoints', '--json').stdout)).toMatchObject([{ netns: '/run/netns/pod-1', state: 'attached' }])
    const added = ask(
      ...'endpoint add --vrf red --netns /run/netns/pod-2 --ifname eth0 --address 10.1.0.2 --address fd00::2 --json'.split(' '),
    )
    expect(added.status).toBe(0)
    expect(JSON.parse(added.stdout)).toMatchObject({ vrf: 'red', addresses: ['10.1.0.2', 'fd00::2'], state: 'attached', error: null })
    const routes = JSON.parse(ask('show', 'routes', '--json').stdout) as Record<string, unknown>[]
    expect(routes.map(({ prefix, best, installed, peer }) => [prefix, best, installed, peer])).toEqual(
      ['10.1.0.1/32', '10.1.0.2/32', 'fd00::1/128', 'fd00::2/128'].map((prefix) => [prefix, true, true, 'local']),
    )
    expect(Object.keys(routes[0])).toEqual(
      expect.arrayContaining(['vrf', 'prefix', 'rd', 'routeTargets', 'label', 'nextHop', 'encapsulation', 'peer', 'best', 'installed']),
    )
    for (const view of ['neighbors', 'vrfs', 'routes', 'labels', 'tunnels', 'drops', 'endpoints', 'dataplane']) {
      expect(ask('show', view)).toMatchObject({ status: 0, stderr: '' })
      expect(Array.isArray(JSON.parse(ask('show', view, '--json').stdout))).toBe(true)
    }
    const delivered = ask(...'explain --vrf red --from 10.1.0.1 --to 10.1.0.2 --proto tcp --dport 80'.split(' '))
    expect(delivered.stdout).toMatch(/delivered to eth0 in \/run\/netns\/pod-2\n$/)
    expect(ask(...'explain --vrf red --from 10.1.0.1 --to 10.9.9.9'.split(' ')).stdout).toMatch(/dropped: no-route\n$/)
    const refused = ask(...'endpoint add --vrf blue --netns /run/netns/pod-3 --ifname eth0 --address 10.1.0.3'.split(' '))
    expect(refused).toMatchObject({ status: 1, stdout: '' })
    expect(refused.stderr).toContain('there is no vrf blue; there are: red (endpoint.vrf-unknown)')
    expect(ask(...'endpoint del --netns /run/netns/pod-2 --ifname eth0'.split(' ')).status).toBe(0)
    expect(JSON.parse(ask('show', 'routes', '--json').stdout)).toHaveLength(2)
    expect(await running[0].end('SIGTERM')).toEqual({ code: 0, signal: null })
    expect(existsSync(socket)).toBe(false)
    expect(heddle('--socket', socket, 'show', 'routes').status).toBe(3)
  })

  it('reads its configuration again on SIGHUP: what is right is applied, what is wrong changes nothing', async () => {
    const { file, socket } = write(node())
    const started = start(['node', '--config', file])
    await started.says('ready')
    const vrfs = () =>
      (JSON.parse(heddle('--socket', socket, 'show', 'vrfs', '--json').stdout) as { name: string }[]).map(({ name }) => name)
    const two = { socket, ...node({ vrfs: [...(node() as { vrfs: object[] }).vrfs, { name: 'blue', rd: '65000:2' }] }) }
    writeFileSync(file, stringify(two))
    started.child.kill('SIGHUP')
    await started.says('configuration reloaded')
    expect(vrfs()).toEqual(['red', 'blue'])
    writeFileSync(file, stringify({ ...two, vrfs: [{ name: 'red', rd: 'nonsense' }] }))
    started.child.kill('SIGHUP')
    await started.says(/configuration refused, the old one stays.*vrfs\[0\]\.rd: found .*nonsense/)
    writeFileSync(file, stringify({ ...two, node: { name: 'b', address: '127.0.0.1' } }))
    started.child.kill('SIGHUP')
    await started.says(/a change of node\.name needs a restart/)
    expect(vrfs()).toEqual(['red', 'blue'])
    expect(await started.end('SIGINT')).toEqual({ code: 0, signal: null })
  })

  it('goes on when its peer cannot be reached, and shows why', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => silent.once('listening', resolve))
    const { port } = silent.address() as AddressInfo
    await new Promise((resolve) => silent.close(resolve))
    const { file, socket } = write(node({ bgp: { as: 65000, neighbors: [{ address: '127.0.0.1', port, as: 65000 }] } }))
    await start(['node', '--config', file]).says('ready')
    const look = (): { state: string; lastError: string | null } => {
      const [row] = JSON.parse(heddle('--socket', socket, 'show', 'neighbors', '--json').stdout) as ReturnType<typeof look>[]
      return row
    }
    await expect.poll(() => look().lastError).not.toBeNull()
    const { lastError, state } = look()
    expect(lastError).toMatch(/refused/)
    expect(state).not.toBe('established')
  })

  it.each([
    ['a configuration that is malformed', '{ node: { name: a ', /n\d+\.yaml:\d+:\d+: /],
    ['a key that is misspelt', { ...node(), vrf: [] }, /found the unknown key "vrf"; allowed: .*vrfs.*did you mean "vrfs"/],
    ['a dataplane that there is not', node({ dataplane: { kind: 'dpdk' } }), /dataplane\.kind: found "dpdk"; allowed: memory, tun, ebpf/],
    [
      'an uplink that nothing needs',
      node({ dataplane: { kind: 'tun', uplink: 'eth0' } }),
      /dataplane\.uplink: found "eth0"; allowed: nothing/,
    ],
  ])(
    'refuses %s by name, and leaves nothing behind',
    (_name, config, message) => {
      const { file, socket } = write(typeof config === 'string' ? {} : config)
      if (typeof config === 'string') writeFileSync(file, config)
      const { status, stderr, stdout } = heddle('node', '--config', file)
      expect([status, stdout]).toEqual([1, ''])
      expect(stderr).toMatch(message)
      expect(existsSync(socket)).toBe(false)
      expect(heddle('node', '--check', '--config', file).status).toBe(1)
    },
    20_000,
  )

  it('names the port that is in use, and leaves nothing behind', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    const { port } = taken.address() as AddressInfo
    const { file, socket } = write(node({ bgp: { as: 65000, listen: [{ address: '127.0.0.1', port }], neighbors: [] } }))
    const { status, stderr } = heddle('node', '--config', file)
    await new Promise((resolve) => taken.close(resolve))
    expect(status).toBe(1)
    expect(stderr).toContain(`127.0.0.1 port ${port}`)
    expect(stderr).toMatch(/in use/)
    expect(existsSync(socket)).toBe(false)
  })

  it('does not take the place of a node that serves', async () => {
    const { file, socket } = write(node())
    await start(['node', '--config', file]).says('ready')
    const second = heddle('node', '--config', file)
    expect(second.status).toBe(1)
    expect(second.stderr).toContain(`another node serves ${socket}`)
    expect(heddle('--socket', socket, 'show', 'vrfs').status).toBe(0)
  })

  const isRoot = process.getuid?.() === 0
  it.skipIf(!isRoot)(
    `names the privilege that is missing, and leaves nothing behind${isRoot ? '' : ' (not run: needs root, to become somebody else)'}`,
    async () => {
      const { file, socket } = write(node({ dataplane: { kind: 'tun' } }))
      const started = start(['node', '--config', file], { uid: 65_534 })
      await started.says(/CAP_NET_ADMIN and CAP_SYS_ADMIN are missing.*dataplane\.permission/)
      expect(await started.ended).toEqual({ code: 1, signal: null })
      expect(existsSync(socket)).toBe(false)
    },
    20_000,
  )
})

describe('heddle speaker', () => {
  it('reflects routes between two nodes, and says Cease to them on SIGTERM', async () => {
    const reflector = write({
      node: { name: 'rr', address: '127.0.0.9' },
      bgp: {
        as: 65000,
        listen: [{ address: '127.0.0.9', port: 0 }],
        neighbors: ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, as: 65000, passive: true, routeReflectorClient: true })),
        networks: [{ rd: '65000:9', prefix: '203.0.113.0/24', label: 1001, routeTargets: ['65000:1'] }],
      },
    })
    const rr = start(['speaker', '--config', reflector.file, '--json'])
    await rr.says('"ready":true')
    const ready = JSON.parse(
      rr
        .output()
        .split('\n')
        .find((line) => line.includes('"ready":true')) ?? '{}',
    ) as { listening: { port: number }[] }
    const neighbors = [{ address: '127.0.0.9', port: ready.listening[0].port, as: 65000 }]
    const nodes = ['127.0.0.1', '127.0.0.2'].map((address, index) =>
      write({
        ...node({ bgp: { as: 65000, neighbors } }),
        node: { name: `n${index}`, address },
        vrfs: [{ name: 'red', rd: `${address}:1`, import: ['65000:1'], export: ['65000:1'] }],
        endpoints: [{ vrf: 'red', netns: `/run/netns/p${index}`, ifname: 'eth0', addresses: [`10.1.0.${index + 1}`] }],
      }),
    )
    const [first] = nodes.map(({ file }) => start(['node', '--config', file, '--log-level', 'debug']))
    const routesOf = (socket: string): { prefix: string; peer: string; nextHop: string | null; installed: boolean }[] => {
      const { stdout } = heddle('--socket', socket, 'show', 'routes', '--json')
      return stdout === '' ? [] : (JSON.parse(stdout) as ReturnType<typeof routesOf>)
    }
    await expect
      .poll(() => routesOf(nodes[0].socket).map(({ prefix, nextHop, installed }) => [prefix, nextHop, installed]))
      .toEqual([
        ['10.1.0.1/32', null, true],
        ['10.1.0.2/32', '127.0.0.2', true],
        ['203.0.113.0/24', '127.0.0.9', true],
      ])
    await expect
      .poll(() =>
        routesOf(reflector.socket)
          .map(({ prefix, peer }) => `${prefix} ${peer}`)
          .toSorted(),
      )
      .toEqual(['10.1.0.1/32 127.0.0.1', '10.1.0.2/32 127.0.0.2', '203.0.113.0/24 local'])
    expect(heddle('--socket', reflector.socket, 'endpoint', 'del', '--netns', '/run/netns/x', '--ifname', 'eth0').stderr).toContain(
      'rr is a speaker',
    )
    expect(await rr.end('SIGTERM')).toEqual({ code: 0, signal: null })
    await first.says(/NOTIFICATION 6\/2 received/)
  })
})
