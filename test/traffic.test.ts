// What nodes do with traffic besides forwarding it, on the real topology: services, policies, NAT and BFD of the configuration, FRR as the peer that is
// told, and `heddle trace` and `heddle capture` looking on, with tshark as the reader that nobody here wrote.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NodeDocument } from '../packages/cli/src/config/document.js'
import { missingForRealLab } from '../packages/cli/src/lab/real/requirements.js'
import { RealLab } from '../packages/cli/src/lab/real/real-lab.js'
import { POD_PORT } from '../packages/cli/src/lab/real/pod-protocol.js'
import { labRd, renamed, TOPOLOGY, type LabPod } from '../packages/cli/src/lab/topology.js'
import { until as untilOr } from '../packages/cli/src/lab/until.js'
import { root } from '../scripts/lib/packages.mjs'

const topology = renamed(TOPOLOGY, 'ht-')
const executable = join(root, 'packages', 'heddle', 'bin', 'heddle.js')
const [first, second, third] = topology.nodes
const podOf = (name: string): LabPod => topology.pods.find((pod) => pod.name === name) as LabPod

const VIP = '10.96.0.10'
const HIDDEN = first.address
/** A second service: a shop in the namespace of red-b, which cloud-b asks for its health, and red-c. */
const SHOP = '10.96.0.11'
const SHOP_PORT = 8080

/*
 * The service is cloud-b's: its backends are red-b there and red-c behind a tunnel. blue-a reaches it through a pool with cloud-a's own address. red-c may be
 * asked through the service alone.
 */
const sections: Readonly<Record<string, Partial<NodeDocument>>> = {
  [first.name]: {
    nat: [{ vrf: 'blue', outside: 'red', address: HIDDEN, destinations: [`${VIP}/32`] }],
    bfd: { tunnels: { interval: 100, multiplier: 3 } },
  },
  [second.name]: {
    services: [
      {
        name: 'who',
        vrf: 'red',
        address: VIP,
        protocol: 'tcp',
        port: POD_PORT,
        nat: 'both',
        backends: ['10.1.0.2', '10.1.0.3'].map((address) => ({ address })),
      },
      {
        name: 'shop',
        vrf: 'red',
        address: SHOP,
        protocol: 'tcp',
        port: POD_PORT,
        nat: 'both',
        backends: [{ address: '10.1.0.2', port: SHOP_PORT }, { address: '10.1.0.3' }],
        health: { type: 'tcp', interval: 0.2, rise: 2, fall: 2 },
      },
    ],
    bfd: { tunnels: { interval: 100, multiplier: 3 } },
  },
  [third.name]: {
    policies: [
      {
        name: 'through-the-service',
        vrf: 'red',
        ingress: { rules: [{ action: 'allow', protocol: 'tcp', ports: [POD_PORT], peers: [`${VIP}/32`, `${SHOP}/32`] }] },
      },
    ],
    bfd: { tunnels: { interval: 100, multiplier: 3 } },
  },
}

async function until(lab: RealLab, what: string, condition: () => Promise<boolean>, deadline = 30_000): Promise<void> {
  if ((await untilOr(lab, deadline, condition)) === undefined) expect.fail(`${what}: not within ${deadline} ms`)
}

function heddle(socket: string, ...words: string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, [executable, '--socket', socket, ...words], { encoding: 'utf8', timeout: 60_000 })
}

/** Asks until it has been told `names`. */
async function askAll(lab: RealLab, from: LabPod, to: string, names: readonly string[]): Promise<void> {
  const told = new Set<string>()
  await until(lab, `${from.name} is answered by ${names.join(' and ')}`, async () => {
    told.add((await lab.whoIs(from, to, 1000)) ?? 'nobody')
    return names.every((name) => told.has(name))
  })
}

/** @param inKernel nodes of the topology, by their place, that forward in the kernel */
function testTraffic(inKernel: readonly number[]): void {
  let lab: RealLab
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'heddle-traffic-'))
    const kernelNodes = inKernel.map((index) => topology.nodes[index].name)
    lab = await RealLab.start({ topology, executable, kernelNodes, sections: (node) => sections[node] ?? {} }, () => undefined)
    const there = async (node: string, vrf: string, prefix: string): Promise<boolean> =>
      (await lab.routes(node)).some((row) => row.vrf === vrf && row.prefix === prefix && row.installed)
    await until(lab, 'the service is known', async () => there(first.name, 'red', `${VIP}/32`))
    await until(lab, 'the hidden address is known', async () => there(second.name, 'red', `${HIDDEN}/32`))
    await until(lab, 'the backend is known', async () => there(second.name, 'red', '10.1.0.3/32'))
  })
  afterAll(async () => {
    await lab?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('tells FRR host routes of the virtual address and of the pool', async () => {
    const { routes } = await lab.gateway.view()
    const red = topology.vrfs[0]
    const of = (prefix: string) => routes.filter((route) => route.prefix === prefix).map(({ rd, nextHop }) => ({ rd, nextHop }))
    const [, blue] = topology.vrfs
    // The virtual address in red, and the way to it that blue has.
    expect(of(`${VIP}/32`).toSorted((a, b) => (a.rd < b.rd ? -1 : 1))).toEqual([
      { rd: labRd(first, blue), nextHop: first.address },
      { rd: labRd(second, red), nextHop: second.address },
    ])
    expect(of(`${HIDDEN}/32`)).toEqual([{ rd: labRd(first, red), nextHop: first.address }])
  })

  it('serves a virtual address to others over the tunnel, by backends here and behind another tunnel', async () => {
    await askAll(lab, podOf('ht-red-a'), VIP, ['ht-red-b', 'ht-red-c'])
  })

  it('lets only those pass whom the policy names', async () => {
    expect(await lab.whoIs(podOf('ht-red-a'), '10.1.0.3', 1000)).toBeUndefined()
    expect(await lab.whoIs(podOf('ht-red-a'), '10.1.0.2')).toBe('ht-red-b')
    const drops = await lab.drops(third.name)
    expect(drops.find((row) => row.reason === 'policy')?.packets).toBeGreaterThan(0)
  })

  it('hides a VRF behind the address of the node', async () => {
    await askAll(lab, podOf('ht-blue-a'), VIP, ['ht-red-b', 'ht-red-c'])
    // Others of the VRF go by the node that hides it; what is not hidden stays in its VRF.
    await askAll(lab, podOf('ht-blue-b'), VIP, ['ht-red-b', 'ht-red-c'])
    expect(await lab.whoIs(podOf('ht-blue-a'), '10.1.0.2')).toBe('ht-blue-b')
  })

  it('sends no new flow to a backend whose process ended, and does again when there is another', { timeout: 300_000 }, async () => {
    const inPod = (pod: string, program: string): ChildProcess =>
      spawn('nsenter', [`--net=/run/netns/${pod}`, process.execPath, '-e', program], { stdio: ['ignore', 'pipe', 'ignore'] })
    const shop = (): ChildProcess =>
      inPod('ht-red-b', `require('net').createServer((s) => s.on('error', () => 0).resume().write('shop\\n')).listen(${SHOP_PORT}, '::')`)
    const stateOf = (): unknown => {
      const rows = JSON.parse(heddle(lab.socket(second.name), 'show', 'services', '--json').stdout) as { backend: string; state: string }[]
      return rows.find(({ backend }) => backend === `10.1.0.2:${SHOP_PORT}`)?.state
    }
    const children = [shop()]
    try {
      await until(lab, 'the shop is found open', async () => stateOf() === 'ready')
      await askAll(lab, podOf('ht-red-a'), SHOP, ['shop', 'ht-red-c'])
      // A flow that stays.
      let said = ''
      let customer: ChildProcess | undefined
      const leadsToShop = async (): Promise<boolean> => {
        customer?.kill('SIGKILL')
        said = ''
        children.push((customer = inPod('ht-red-a', `require('net').connect(${POD_PORT}, '${SHOP}').pipe(process.stdout)`)))
        customer.stdout?.setEncoding('utf8').on('data', (chunk: string) => (said += chunk))
        return (await untilOr(lab, 5000, async () => said !== '')) !== undefined && said === 'shop\n'
      }
      // Every other flow does, and each takes a process to find out.
      await until(lab, 'a flow leads to the shop', leadsToShop, 90_000)
      children[0].kill('SIGKILL')
      await until(lab, 'the flow ends', async () => customer?.exitCode !== null)
      await until(lab, 'the shop is found closed', async () => stateOf() === 'down')
      for (let count = 0; count < 10; count++) expect(await lab.whoIs(podOf('ht-red-a'), SHOP)).toBe('ht-red-c')
      children.push(shop())
      await until(lab, 'the shop is found open again', async () => stateOf() === 'ready')
      await askAll(lab, podOf('ht-red-a'), SHOP, ['shop', 'ht-red-c'])
    } finally {
      for (const child of children) child.kill('SIGKILL')
    }
  })

  it('traces live packets through the steps', async () => {
    const tracing = spawn(process.execPath, [
      executable,
      '--socket',
      lab.socket(second.name),
      ...'trace --host 10.96.0.10 --count 6 --json'.split(' '),
    ])
    let text = ''
    tracing.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    const ended = new Promise((resolve) => tracing.once('close', resolve))
    let isOver = false
    void ended.then(() => (isOver = true))
    await until(lab, 'six packets are told of', async () => {
      await lab.whoIs(podOf('ht-red-a'), VIP, 1000)
      return isOver
    })
    const rows = text
      .trim()
      .split('\n')
      .map(
        (line) =>
          JSON.parse(line) as { from: string; outcome: string; encapsulation: string | null; steps: { step: string; text: string }[] },
      )
    expect(rows).toHaveLength(6)
    const opening = rows.find(({ from }) => from === `tunnel source ${first.address}`)
    // A node whose kernel forwards asks for joint labels, and tells of a service what becomes of the packet.
    const isKernels = inKernel.includes(1)
    expect(opening).toMatchObject({ encapsulation: isKernels ? 'mpls-udp-joint' : 'mpls-udp' })
    expect(opening?.steps.map(({ step }) => step)).toEqual(expect.arrayContaining(['parse outer', 'label', 'service', 'lookup', 'nexthop']))
    const told = isKernels ? `goes on to 10\\.1\\.0\\.[23] port ${POD_PORT}$` : `${VIP} port ${POD_PORT}`
    expect(opening?.steps).toContainEqual({ step: 'service', text: expect.stringMatching(told) as unknown })
    const policed = heddle(lab.socket(second.name), ...'trace --vrf nowhere'.split(' '))
    expect(policed).toMatchObject({ status: 1, stdout: '' })
    expect(policed.stderr).toContain('there is no vrf nowhere (agent.unknown)')
  })

  it('captures an endpoint as pcapng that tshark reads, to a file and as an extcap interface', async () => {
    const socket = lab.socket(first.name)
    const file = join(folder, 'red-a.pcapng')
    const words = `capture --vrf red --address 10.1.0.1 --count 6 --write ${file}`.split(' ')
    await finishes(lab, [process.execPath, executable, '--socket', socket, ...words])
    expect(dissected(['-r', file])).toMatchObject({ packets: 6, ends: expect.stringContaining(`10.1.0.1\t${VIP}\t${POD_PORT}`) as unknown })

    const interfaces = heddle(socket, 'capture', '--extcap-interfaces').stdout
    const [, value = ''] = /^interface \{value=(heddle\/\S+\/red\/10\.1\.0\.1)\}\{display=.*10\.1\.0\.1 in red.*\}$/m.exec(interfaces) ?? []
    expect(value).toBe(`heddle/${first.name}/red/10.1.0.1`)
    expect(heddle(socket, 'capture', '--extcap-interface', value, '--extcap-dlts').stdout).toContain('{number=101}')
    expect(heddle(socket, 'capture', '--extcap-interface', value, '--extcap-config').stdout).toContain('{call=--direction}')
    const fifo = join(folder, 'fifo')
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
    const live = `capture --capture --extcap-interface ${value} --fifo ${fifo} --direction egress`
    const extcap = spawn(process.execPath, [executable, '--socket', socket, ...live.split(' ')])
    try {
      await finishes(lab, ['tshark', '-i', fifo, '-c', '3', '-w', join(folder, 'live.pcapng')])
    } finally {
      extcap.kill()
    }
    const seen = dissected(['-r', join(folder, 'live.pcapng')])
    expect(seen.packets).toBe(3)
    expect(seen.ends.split('\n').every((line) => line.startsWith('10.1.0.1\t'))).toBe(true)
  })

  it('finds by BFD that a site is gone, before BGP does, and has it back', async () => {
    const installed = async (): Promise<boolean> =>
      (await lab.routes(first.name)).some(({ vrf, prefix, installed: is }) => vrf === 'red' && prefix === '10.1.0.3/32' && is)
    await until(lab, 'the route is there', installed)
    const log = (): string => readFileSync(join(lab.dir, `${first.name}.log`), 'utf8')
    await until(lab, 'BFD is up', async () =>
      log()
        .split('\n')
        .some((line) => line.includes('BFD session is up') && line.includes(third.address)),
    )
    await lab.underlay.cut(third.name)
    await until(lab, 'the route is gone', async () => !(await installed()))
    // The reflector has not noticed yet.
    const { routes } = await lab.gateway.view()
    expect(routes.map(({ prefix, nextHop }) => `${prefix} ${nextHop}`)).toContain(`10.1.0.3/32 ${third.address}`)
    await lab.underlay.heal(third.name)
    await until(lab, 'the route is back', installed)
    await askAll(lab, podOf('ht-red-a'), VIP, ['ht-red-c'])
  })

  /** Runs a command that ends when it has seen packets, while red-a asks. */
  async function finishes(at: RealLab, [file, ...words]: readonly string[]): Promise<void> {
    const child = spawn(file, words, { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said += chunk))
    let code: number | null | undefined
    child.once('close', (status) => (code = status))
    await until(at, `${file} ${words.join(' ')} ends`, async () => {
      await at.whoIs(podOf('ht-red-a'), VIP, 1000)
      return code !== undefined
    })
    expect([code, said]).toEqual([0, expect.any(String)])
  }
}

for (const inKernel of [[], [1]]) {
  const names = inKernel.map((index) => TOPOLOGY.nodes[index].name)
  const missing = missingForRealLab(names)
  const where = names.length === 0 ? '' : `, ${names.join(', ')} in the kernel`
  const reason = missing.length === 0 ? '' : ` (not run: needs ${missing.join('; ')})`
  describe.skipIf(reason !== '')(`what nodes do with traffic${where}${reason}`, () => testTraffic(inKernel))
}

/** What tshark makes of a capture: how many packets, and the ends of those of TCP. */
function dissected(words: readonly string[]): { readonly packets: number; readonly ends: string } {
  const fields = ['-T', 'fields', '-e', 'ip.src', '-e', 'ip.dst', '-e', 'tcp.dstport']
  const { stdout, status } = spawnSync('tshark', [...words, ...fields], { encoding: 'utf8' })
  expect(status).toBe(0)
  const lines = stdout.trim().split('\n')
  return { packets: lines.length, ends: lines.join('\n') }
}
