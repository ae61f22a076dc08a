// Container runtimes that we did not write attach containers by the plugin: containerd through CRI, and podman with CNI as its network back end.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { missingForRealLab } from '../packages/cli/src/lab/real/requirements.js'
import type { FrrGateway } from '../packages/cli/src/lab/real/frr.js'
import { clientBinary } from '../packages/cni/src/node/index.js'
import { writePauseImage } from '../scripts/lib/oci-image.mjs'
import { Containerd, PAUSE } from './support/machine/containerd.js'
import type { Pod } from './support/machine/cri-client.js'
import { Fabric } from './support/machine/fabric.js'
import { machinesMissing, type Machine } from './support/machine/machine.js'
import { ANNOTATION, OverlayNode, reflectorOn } from './support/machine/overlay.js'
import { Podman } from './support/machine/podman.js'
import { until } from './support/machine/until.js'

const NAMES = ['a', 'b'] as const
const NETWORKS = ['red', 'blue'] as const
type NodeName = (typeof NAMES)[number]
type NetworkName = (typeof NETWORKS)[number]

const client = clientBinary()
const missing = [
  machinesMissing(),
  ...missingForRealLab(),
  'missing' in client ? client.missing : '',
  hasCommand('nft') ? '' : 'needs nft (Debian: nftables)',
  hasCommand('cc') ? '' : 'needs a C compiler for the image of pods',
].filter((text) => text !== '')
const lacking = (...commands: string[]): string =>
  [...missing, ...commands.filter((one) => !hasCommand(one)).map((one) => `needs ${one}`)].join('; ')
const titled = (title: string, lacks: string): string => (lacks === '' ? title : `${title} (not run: ${lacks})`)

function hasCommand(name: string): boolean {
  return ['/usr/bin', '/usr/sbin', '/bin', '/sbin'].some((folder) => existsSync(join(folder, name)))
}

let folder: string
let fabric: Fabric
let frr: FrrGateway
const machines = new Map<NodeName, Machine>()
const nodes = new Map<NodeName, OverlayNode>()
const archive = (): string => join(folder, 'pause.tar')

beforeAll(async () => {
  if (missing.length > 0) return
  folder = mkdtempSync(join(tmpdir(), 'heddle-runtimes-'))
  writePauseImage(archive(), [PAUSE])
  fabric = new Fabric('hdrt', folder)
  frr = reflectorOn(fabric)
  await frr.start()
  for (const [index, name] of NAMES.entries()) {
    const machine = await fabric.add(name)
    machines.set(name, machine)
    const address = fabric.addressOf(index)
    nodes.set(name, await OverlayNode.start({ machine, address, reflector: fabric.address, index, dataplane: 'tun' }))
  }
})

afterAll(async () => {
  await fabric?.close()
  await frr?.stop()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})

const machineOf = (name: NodeName): Machine => machines.get(name) as Machine
const nodeOf = (name: NodeName): OverlayNode => nodes.get(name) as OverlayNode

/** Path of the namespace of the endpoint that has an address in a VRF, inside the machine. */
async function netnsOf(name: NodeName, vrf: string, address: string): Promise<string> {
  const found = (await nodeOf(name).endpoints()).find((one) => one.vrf === vrf && one.addresses.includes(address))
  if (found === undefined) throw new TypeError(`no endpoint of ${vrf} on ${name} has ${address}`)
  return found.netns
}

async function pings(name: NodeName, netns: string, address: string, times = 1): Promise<boolean> {
  return machineOf(name).succeeds('nsenter', `--net=${netns}`, 'ping', '-q', '-c', String(times), '-i', '0.2', '-W', '2', address)
}

async function received(name: NodeName, netns: string): Promise<number> {
  const text = await machineOf(name).run('nsenter', `--net=${netns}`, 'cat', '/proc/net/dev')
  return Number(/eth0:\s*\d+\s+(\d+)/.exec(text)?.[1])
}

interface Container {
  readonly node: NodeName
  readonly network: NetworkName
  /** IPv4 first. */
  readonly addresses: readonly string[]
}

/** What must hold of a container in each network on each node, made by whatever runtime. */
async function mustBeTwoNetworks(containers: readonly Container[]): Promise<void> {
  const of = (node: NodeName, network: NetworkName): Container =>
    containers.find((one) => one.node === node && one.network === network) as Container
  for (const node of NAMES) expect(of(node, 'red').addresses).toEqual(of(node, 'blue').addresses)
  const [addressesA, addressesB] = NAMES.map((name) => of(name, 'red').addresses)
  expect(addressesA).toEqual([expect.stringMatching(/^10\.1\.0\./), expect.stringMatching(/^fd00:1::/)])
  expect(addressesA).not.toEqual(addressesB)
  const inside = async (node: NodeName, network: NetworkName): Promise<string> => netnsOf(node, network, of(node, network).addresses[0])
  // Each network reaches its own, in both families, over a session that only the reflector has.
  for (const network of NETWORKS) {
    for (const address of addressesB) {
      await until(`${network} reaches ${address}`, async () => pings('a', await inside('a', network), address), 20_000)
    }
  }
  const before = await received('b', await inside('b', 'blue'))
  expect(await pings('a', await inside('a', 'red'), addressesB[0], 5)).toBe(true)
  expect(await received('b', await inside('b', 'blue'))).toBe(before)
  const { routes } = await frr.view()
  for (const [index, address] of [addressesA[0], addressesB[0]].entries()) {
    const found = routes.filter(({ prefix }) => prefix === `${address}/32`)
    expect(found.map(({ nextHop }) => nextHop)).toEqual([fabric.addressOf(index), fabric.addressOf(index)])
    expect(found.flatMap(({ routeTargets }) => routeTargets).toSorted()).toEqual(['65000:1', '65000:2'])
  }
}

/** Nothing of the networks is left on the nodes, nor at the reflector. */
async function mustBeEmpty(): Promise<void> {
  for (const name of NAMES) expect(await nodeOf(name).endpoints()).toEqual([])
  await until('the reflector has no route', async () => (await frr.view()).routes.length === 0)
}

const containerdLacks = lacking('containerd', 'ctr', 'runc')
describe.skipIf(containerdLacks !== '')(titled('containerd, by CRI', containerdLacks), () => {
  const runtimes = new Map<NodeName, Containerd>()
  const pods: (Pod & Container)[] = []
  const run = async (node: NodeName, network: NetworkName, name: string): Promise<Pod & Container> => {
    const pod = await (runtimes.get(node) as Containerd).cri.runPod({ name, annotations: { [ANNOTATION]: network } })
    return { ...pod, node, network }
  }
  beforeAll(async () => {
    await Promise.all(NAMES.map(async (name) => runtimes.set(name, await Containerd.start(machineOf(name), [archive()]))))
  })
  afterAll(() => {
    for (const { cri } of runtimes.values()) cri.close()
  })

  it('is not ready for pods before the plugin is installed, and is then', async () => {
    for (const name of NAMES) {
      const { cri } = runtimes.get(name) as Containerd
      expect(await cri.notReady()).toMatch(/NetworkReady/)
      await nodeOf(name).heddle('cni', 'install', '--network', 'red')
      await until('the runtime is ready', async () => (await cri.notReady()) === '')
    }
  })

  it('runs pods of equal addresses in red and blue, which an annotation names, and each reaches its own network', async () => {
    for (const node of NAMES) for (const network of NETWORKS) pods.push(await run(node, network, `${network}-${node}`))
    await mustBeTwoNetworks(pods)
  })

  it('leads a port of the host to a pod of a VRF, by the plugin portmap behind ours', async () => {
    const [machine, { cri }] = [machineOf('a'), runtimes.get('a') as Containerd]
    await machine.run('sh', '-c', 'cp /usr/lib/cni/portmap /opt/cni/bin/')
    await nodeOf('a').heddle('cni', 'install', '--network', 'red', '--chain', 'portmap')
    const pod = await cri.runPod({
      name: 'web-a',
      annotations: { [ANNOTATION]: 'web' },
      portMappings: [{ containerPort: 8080, hostPort: 18_080 }],
    })
    expect(pod.addresses).toEqual([expect.stringMatching(/^100\.64\./)])
    const [{ netns, addresses }] = (await nodeOf('a').endpoints()).filter((one) => one.addresses[0].startsWith('10.2.0.'))
    const server = `require('net').createServer((c) => c.end('from ' + c.remoteAddress)).listen(8080, '0.0.0.0')`
    machine.spawn('server', 'nsenter', [`--net=${netns}`, process.execPath, '-e', server])
    const client = `require('net').connect(18080, '${fabric.addressOf(0)}').on('error', () => {}).pipe(process.stdout)`
    const ask = async (): Promise<string> => machineOf('b').run(process.execPath, '-e', client)
    await until('the port of the host answers', async () => (await ask()) !== '', 20_000)
    expect(await ask()).toBe('from 100.64.0.1')
    expect(addresses[0]).toMatch(/^10\.2\.0\./)
    await cri.removePod(pod)
    expect(await ask()).toBe('')
    await nodeOf('a').heddle('cni', 'install', '--network', 'red')
  })

  it('hears of a network that is not there, and is left with nothing', async () => {
    await expect(run('a', 'green' as NetworkName, 'green-a')).rejects.toThrow(/"green", and there is no such network/)
    expect(await nodeOf('a').endpoints()).toHaveLength(2)
  })

  it('removes pods: endpoints, routes and addresses are free again', async () => {
    for (const pod of pods) await (runtimes.get(pod.node) as Containerd).cri.removePod(pod)
    await mustBeEmpty()
  })
})

const podmanLacks = lacking('podman', 'conmon', 'runc')
describe.skipIf(podmanLacks !== '')(titled('podman, with CNI', podmanLacks), () => {
  const podmen = new Map<NodeName, Podman>()
  beforeAll(async () => {
    await Promise.all(
      NAMES.map(async (name) => {
        const podman = await Podman.start(machineOf(name), archive(), PAUSE)
        podmen.set(name, podman)
        for (const network of NETWORKS) {
          await nodeOf(name).heddle('cni', 'install', '--network', network, '--name', network, '--conf', podman.configurations)
        }
      }),
    )
  })

  it('runs containers of equal addresses on the networks red and blue, and each reaches its own', async () => {
    const containers: Container[] = []
    for (const node of NAMES) {
      for (const network of NETWORKS) {
        const podman = podmen.get(node) as Podman
        await podman.runContainer(network, network)
        const { addresses, netns } = await podman.inspect(network)
        expect(await netnsOf(node, network, addresses[0])).toBe(netns)
        containers.push({ node, network, addresses })
      }
    }
    await mustBeTwoNetworks(containers)
  })

  it('removes containers: endpoints, routes and addresses are free again', async () => {
    for (const podman of podmen.values()) for (const network of NETWORKS) await podman.removeContainer(network)
    await mustBeEmpty()
  })
})
