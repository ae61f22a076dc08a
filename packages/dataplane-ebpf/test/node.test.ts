import type { Views } from '@heddle/agent'
import type { DataplaneSection } from '@heddle/cli'
import type { DataplaneError } from '@heddle/core'
import { ebpfDataplane, type EbpfDataplane } from '@heddle/dataplane-ebpf'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { CaptureStream } from '../../bgp/src/pcap/capture-stream.js'
import { RUN_SOURCES } from '../../dataplane-tun/test/support/run-sources.js'
import { readBpfObject } from '../src/bpf-object.js'
import { BEHIND_JOINT_LABELS } from '../src/device/segment-merger.js'
import { call, callAsync } from '../src/native/call.js'
import { pinsOf } from '../src/pins.js'
import { chooseMeans, ebpfFeatures } from '../src/probe.js'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, RouterNamespace } from './support/router.js'

const run = promisify(execFile)
const MAIN = fileURLToPath(new URL('../../heddle/src/main.ts', import.meta.url))
const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)
const PODS = ['10.1.0.1', '10.1.0.2']

describe.skipIf(missing() !== '')(titled('heddle node with `dataplane: { kind: ebpf }`'), () => {
  let namespace: RouterNamespace
  let folder: string
  /** Of the configuration, all but the dataplane. */
  let lines: readonly string[]
  /** Nodes that run. */
  const running = new Set<ChildProcess>()
  let log = ''

  beforeAll(() => {
    namespace = new RouterNamespace('node')
    namespace.namespaces.in('node', ...`ip address add ${LOCAL[4]}/24 dev up0`.split(' '))
    for (const index of PODS.keys()) namespace.namespaces.add(`node-pod-${index}`)
    folder = makeFolder('node')
    const endpoints = PODS.map(
      (address, index) =>
        `  - { vrf: red, netns: ${namespace.namespaces.path(`node-pod-${index}`)}, ifname: eth0, addresses: [${address}] }`,
    )
    lines = [
      `node: { name: n1, address: ${LOCAL[4]} }`,
      `socket: ${join(folder, 'n1.sock')}`,
      'bgp: { as: 65000, listen: [] }',
      'vrfs:',
      "  - { name: red, rd: '65000:1', import: ['65000:1'], export: ['65000:1'] }",
      'endpoints:',
      ...endpoints,
    ]
    configure({})
  })

  /** Writes the configuration. @param dataplane what it says of the dataplane, besides its kind */
  function configure(dataplane: Omit<DataplaneSection, 'kind'>): void {
    const written = [...lines, `dataplane: ${JSON.stringify({ kind: 'ebpf', ...dataplane })}`]
    writeFileSync(join(folder, 'n1.yaml'), `${written.join('\n')}\n`)
  }

  afterAll(async () => {
    for (const child of running) if (!isOver(child)) await end(child)
    // What the node has left for the next one is taken over, and away.
    await (await open()).close()
    namespace.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** The dataplane that the node keeps, for whoever finds it free. */
  function open(): Promise<EbpfDataplane> {
    const underlayNetns = namespace.namespaces.path('node')
    return ebpfDataplane({ addresses: [LOCAL[4]], uplink: 'up0', underlayNetns, pinDirectory: join(folder, 'n1.state.bpf') })
  }

  const isOver = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null

  /** Kills a node that runs: one that died by itself is not taken for it. */
  async function end(child: ChildProcess): Promise<void> {
    running.delete(child)
    expect([child.exitCode, child.signalCode], log).toEqual([null, null])
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  /** The node in the namespace of its network, but with the mounts of this process. */
  function start(): ChildProcess {
    const network = `--net=${namespace.namespaces.path('node')}`
    const argv = [network, process.execPath, ...RUN_SOURCES, MAIN, 'node', '--config', join(folder, 'n1.yaml')]
    const started = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [started.stdout, started.stderr]) stream?.on('data', (chunk) => (log += String(chunk)))
    running.add(started)
    return started
  }

  async function ping(): Promise<string> {
    const argv = ['netns', 'exec', namespace.namespaces.name('node-pod-0'), ...pingWords(2), PODS[1]]
    return run('ip', argv).then(
      ({ stdout }) => stdout,
      (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
    )
  }

  async function heddle(...words: string[]): Promise<string> {
    const { stdout } = await run(process.execPath, [...RUN_SOURCES, MAIN, '--socket', join(folder, 'n1.sock'), ...words])
    return stdout
  }

  const show = (...words: string[]): Promise<string> => heddle('show', ...words)

  /** What the node tells of its dataplane, once it serves. */
  async function serves(): Promise<Views['dataplane'][number]> {
    await expect.poll(async () => `${await show('dataplane', '--json').catch(String)}\n${log}`).toContain('"kind": "ebpf"')
    const [row] = JSON.parse(await show('dataplane', '--json')) as Views['dataplane']
    return row
  }

  /** Entries that the kernel's maps have room for. */
  async function capacities(): Promise<Readonly<Record<string, number | null>>> {
    const parts = JSON.parse(await show('bpf', '--json')) as Views['bpf']
    return Object.fromEntries(parts.flatMap(({ kind, name, capacity }) => (kind === 'map' ? [[name, capacity]] : [])))
  }

  /** `heddle capture` has the pings of an endpoint, both ways, and `heddle trace` the steps of two of them. */
  async function isLookedAt(): Promise<void> {
    const file = join(folder, 'pings.pcapng')
    let isOver = false
    const captured = heddle(...`capture --vrf red --address ${PODS[0]} --count 4 --write ${file}`.split(' '))
    const traced = heddle(...`trace --vrf red --proto icmp --host ${PODS[0]} --count 2 --json`.split(' '))
    const both = Promise.all([captured, traced]).finally(() => (isOver = true))
    // Who looks on begins when it can: there is something to see until it has seen enough.
    await expect
      .poll(async () => {
        await ping()
        return isOver
      })
      .toBe(true)
    await both
    const packets = new CaptureStream().push(readFileSync(file)).map((result) => {
      if (!result.ok) throw new Error(result.error.code)
      const { bytes } = result.packet
      return [bytes[9], ...[12, 16].map((at) => bytes.subarray(at, at + 4).join('.'))].join(' ')
    })
    expect(packets).toHaveLength(4)
    const ends = [PODS, PODS.toReversed()].map(([source, destination]) => `1 ${source} ${destination}`)
    expect(new Set(packets)).toEqual(new Set(ends))

    const rows = (await traced)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly outcome: string; readonly steps: readonly { readonly step: string }[] })
    const steps = ['parse', 'port', 'flow', 'service', 'policy', 'lookup', 'nexthop', 'deliver']
    expect(rows.map((row) => [row.outcome, row.steps.map(({ step }) => step)])).toEqual([0, 1].map(() => ['deliver', steps]))
  }

  /** What `heddle show` tells of the node is what is in the kernel, another's program on its uplink included. */
  async function showsItself(): Promise<void> {
    const row = await serves()
    expect(row.choices.find(({ what }) => what === 'programs on the uplink')).toMatchObject({ chosen: hasTcx ? 'tcx' : 'clsact' })
    const { devices, devicesBecause } = chooseMeans(undefined, [])
    expect(row.choices).toContainEqual({ what: 'devices of new endpoints', chosen: devices, because: devicesBecause })
    // The others have rows that say what was chosen.
    const named = ['bpf', 'mmapable-array', 'redirect-neigh', 'redirect-peer', 'decap-l3', 'kernel-packet', 'btf']
    for (const { name, available, otherwise } of ebpfFeatures().filter((feature) => named.includes(feature.name))) {
      const { chosen, because } = row.choices.find((choice) => choice.because.startsWith(`${name} is `)) ?? { chosen: '', because: '' }
      expect([chosen, because.includes('is there')]).toEqual([available ? name : otherwise || 'nothing', available])
    }
    expect(row.features).toContain('liveness')
    expect(row.tables).toContainEqual({ name: 'vrfs', used: 1, capacity: 16_384 })
    const text = await show('dataplane')
    for (const heading of ['CAPACITY', 'BECAUSE', 'features:']) expect(text).toContain(heading)

    const foreign = call((native) => native.objectLoad(readBpfObject(), { fib: 1024, routes: 1024, flows: 1024 }))
    const netns = namespace.namespaces.path('node')
    const [{ ifindex }] = JSON.parse(namespace.namespaces.in('node', 'ip', '-j', 'link', 'show', 'up0')) as [{ ifindex: number }]
    // What is attached as a dataplane's own filter takes its place, and does not keep it.
    const ways = hasTcx ? ['tcx', 'clsact'] : []
    const attachments: number[] = []
    for (const way of ways) {
      const place = { program: 'ingress', ifindex, usesTcx: way === 'tcx', namespace: netns }
      attachments.push(await callAsync(() => foreign.attach(place)))
    }
    const parts = JSON.parse(await show('bpf', '--json')) as Views['bpf']
    const ofKind = (wanted: string): Views['bpf'] => parts.filter(({ kind }) => kind === wanted)
    expect(ofKind('program').map(({ name }) => name)).toEqual(expect.arrayContaining(['egress', 'ingress']))
    for (const { version, octets } of ofKind('program')) expect([version?.length, (octets ?? 0) > 0]).toEqual([16, true])
    expect(ofKind('map').length).toBeGreaterThan(20)
    for (const { pin } of ofKind('map')) expect(pin).toContain(folder)
    expect(ofKind('link').map(({ name }) => name.split(' ')[0])).toEqual(['uplink', 'port', 'port'])
    const others = call(() => foreign.programs()).filter(({ name }) => name === 'ingress')
    expect(ofKind('foreign')).toMatchObject(
      ways.map((way) => ({ id: others[0].id, name: 'ingress', details: `ingress of uplink up0 by ${way}, behind ours` })),
    )
    for (const attachment of attachments) await callAsync(() => foreign.detach(attachment))
    call(() => foreign.close())
    expect(await show('bpf')).toContain('KIND')
  }

  it('forwards between its endpoints, goes on when its process is killed, and is taken over by the next', async () => {
    const first = start()
    await expect.poll(async () => `${await ping()}\n${log}`, { interval: 200 }).toContain(' 2 received')
    await end(first)
    expect(await ping()).toContain(' 2 received')

    const kept = await open()
    const { generation, devices } = await kept.dump()
    expect(devices).toHaveLength(2)
    await kept.close({ keep: true })
    const second = start()
    // Who tries now finds it taken.
    const attempt = (): Promise<string> =>
      open().then(
        async (dataplane) => dataplane.close({ keep: true }).then(() => 'free'),
        (error: unknown) => (error as DataplaneError).code,
      )
    // Looked for without trying: who tries has it for a moment, and the node would find it taken.
    const isTaken = (): boolean => namespace.namespaces.in('node', 'cat', '/proc/net/unix').includes('@heddle-ebpf/uplink-')
    log = ''
    await expect
      .poll(() => `${isTaken() ? 'taken' : (second.exitCode ?? second.signalCode ?? 'free')}\n${log}`, { interval: 200 })
      .toMatch(/^taken/)
    expect(await attempt()).toBe('dataplane.busy')
    await showsItself()
    await isLookedAt()
    expect(await ping()).toContain(' 2 received')
    await end(second)
    const after = await open()
    const state = await after.dump()
    expect(state.devices).toEqual(devices)
    expect(state.generation).toBeGreaterThanOrEqual(generation)
    await after.close()
  })

  // It told of errors once a second until it was restarted, and peers and container runtimes that all was well.
  it('goes on by itself when its uplink is made anew, and is not ready meanwhile', async () => {
    const inNode = (line: string): string => namespace.namespaces.in('node', ...line.split(' '))
    const states = async (): Promise<unknown[]> =>
      (JSON.parse(await show('endpoints', '--json')) as Views['endpoints']).map(({ state }) => state)
    log = ''
    const child = start()
    await serves()
    expect(await ping()).toContain(' 2 received')
    inNode('ip link delete up0')
    await expect.poll(() => show('dataplane').catch(String)).toContain('the dataplane is gone and not back yet')
    expect(await states()).not.toContain('attached')
    expect(await ping()).toContain(' 2 received')
    await expect.poll(() => log).toContain('the dataplane cannot be opened')
    for (const line of [
      'ip link add up0 type veth peer name up1',
      'ip link set up0 up',
      'ip link set up1 up',
      `ip address add ${LOCAL[4]}/24 dev up0`,
    ]) {
      inNode(line)
    }
    await expect.poll(() => log).toContain('another dataplane is there')
    expect((await serves()).kind).toBe('ebpf')
    expect(await states()).toEqual(['attached', 'attached'])
    expect(await ping()).toContain(' 2 received')
    expect(log.match(/The uplink is gone/g)).toHaveLength(1)
    await end(child)
    await (await open()).close()
  })

  it('is as large as its configuration says, and does without what that says; tables that it takes over stay as large as they are', async () => {
    const sizes = { routes: 1000, fibBlocks: 2048, flows: 3000, ports: 40 }
    const means = { without: ['tcx', 'vxlan-gpe'], encapsulations: ['mpls-udp', 'vxlan'] } as const
    configure({ ...sizes, ...means })
    const first = start()
    const row = await serves()
    expect(row.encapsulations).toEqual(means.encapsulations)
    const tables = new Map(row.tables.map(({ name, capacity }) => [name, capacity]))
    expect([tables.get('routes'), tables.get('ports')]).toEqual([sizes.routes, sizes.ports])
    const done = 'to be done without'
    expect(row.choices).toEqual(
      expect.arrayContaining([
        { what: 'programs on the uplink', chosen: 'clsact', because: expect.stringContaining(done) as string },
        { what: BEHIND_JOINT_LABELS.what, chosen: 'one by one', because: expect.stringContaining(done) as string },
        ...['routes', 'flows', 'ports'].map((name) => {
          const size = sizes[name as keyof typeof sizes]
          return { what: `room for ${name}`, chosen: `${size}`, because: `asked for by \`${name}: ${size}\`` }
        }),
        {
          what: 'memory of the FIB, in blocks',
          chosen: '2048',
          because: expect.stringMatching(
            /^asked for by `fibBlocks: 2048`; [1-9]\d* are taken, and as many again where they are taken over without a gap$/,
          ) as string,
        },
      ]),
    )
    expect(await capacities()).toMatchObject({ routes: 1000, fib: 2048, flows: 3000, nat_flows: 6000, affinities: 3000, ports: 40 })
    await expect.poll(ping).toContain(' 2 received')
    await end(first)

    // It comes back where the sizes cannot be had, with what there is: a node that did not would leave its routes to grow old.
    configure({ routes: 2000, ports: 30 })
    log = ''
    const second = start()
    const kept = await serves()
    const sizeOf = (what: string): unknown => kept.choices.find((choice) => choice.what === what)
    const because = 'tables were taken over, and stay as large as they are'
    expect(sizeOf('room for routes')).toMatchObject({
      chosen: '1000',
      because: expect.stringContaining(`${because}; to have 2000, `) as string,
    })
    expect(sizeOf('room for ports')).toMatchObject({ chosen: '40', because: expect.stringContaining(`${because}; to have 30, `) as string })
    expect(sizeOf('room for flows')).toMatchObject({ chosen: '3000', because })
    for (const words of ['size=routes', 'size=ports']) expect(log).toContain(words)
    expect(log).not.toContain('size=flows')
    expect(await ping()).toContain(' 2 received')

    // As the warning says.
    const over = once(second, 'exit')
    running.delete(second)
    await heddle('stop')
    await over
    const third = start()
    const fresh = await serves()
    expect(fresh.choices.find(({ what }) => what === 'room for routes')).toMatchObject({ chosen: '2000' })
    expect(await capacities()).toMatchObject({ routes: 2000, fib: 65_536, flows: 65_536, ports: 30 })
    await expect.poll(ping).toContain(' 2 received')
    await end(third)
  })

  it('pins where its configuration says, on a file system that is there, which it leaves as it found it', async () => {
    const mounted = join(folder, 'mounted')
    await (await open()).close()
    call((native) => native.bpffsEnsure(mounted, 'by-somebody'))
    const before = readdirSync(mounted)
    try {
      const pinDirectory = join(mounted, 'heddle')
      configure({ pinDirectory })
      const first = start()
      await serves()
      await expect.poll(ping).toContain(' 2 received')
      const parts = JSON.parse(await show('bpf', '--json')) as Views['bpf']
      expect(parts.find(({ name }) => name === 'config')?.pin).toBe(join(pinsOf(pinDirectory), 'config'))
      await end(first)
      expect(await ping()).toContain(' 2 received')

      const second = start()
      const { choices } = await serves()
      expect(choices).toContainEqual({ what: 'forwarding behind the process', chosen: 'goes on', because: `pins are in ${pinDirectory}` })
      expect(await ping()).toContain(' 2 received')
      const over = once(second, 'exit')
      running.delete(second)
      await heddle('stop')
      await over
      expect([readdirSync(mounted).toSorted(), readdirSync(pinDirectory)]).toEqual([[...before, 'heddle'].toSorted(), []])
    } finally {
      call((native) => native.bpffsRelease(mounted))
    }
  })
})
