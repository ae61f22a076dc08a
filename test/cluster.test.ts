// Real kubelets: a Kubernetes of two nodes, one that forwards by TUN and one in the kernel, whose pods the plugin attaches.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FrrGateway } from '../packages/cli/src/lab/real/frr.js'
import { missingForRealLab } from '../packages/cli/src/lab/real/requirements.js'
import { clientBinary } from '../packages/cni/src/node/index.js'
import { ebpfFeatures } from '../packages/dataplane-ebpf/src/index.js'
import { missing as kernelMissing } from '../packages/dataplane-ebpf/test/support/requirements.js'
import { clusterFolder, imageFile, IMAGES, missingPrograms, programs } from '../scripts/lib/cluster-programs.mjs'
import { ControlPlane } from './support/cluster/control-plane.js'
import { startKubeNode } from './support/cluster/kube-node.js'
import { isReady, median, PodWatch, type SeenPod } from './support/cluster/pod-watch.js'
import { Fabric } from './support/machine/fabric.js'
import { machinesMissing, type Machine } from './support/machine/machine.js'
import { ANNOTATION, OverlayNode, reflectorOn } from './support/machine/overlay.js'
import { until } from './support/machine/until.js'

const NODES = [
  { name: 'n1', dataplane: 'tun' },
  { name: 'n2', dataplane: 'ebpf' },
] as const
const NETWORKS = ['red', 'blue'] as const
type NodeName = (typeof NODES)[number]['name']
type NetworkName = (typeof NETWORKS)[number]

const client = clientBinary()
const missing = [
  machinesMissing(),
  ...missingForRealLab(),
  kernelMissing(),
  'missing' in client ? client.missing : '',
  missingPrograms().length === 0 ? '' : `needs Kubernetes in ${clusterFolder}: npm run cluster -- --build`,
  ...[
    ['/usr/bin/containerd', 'containerd'],
    ['/usr/sbin/runc', 'runc'],
    ['/usr/sbin/nft', 'nftables'],
    ['/usr/bin/openssl', 'openssl'],
    ['/usr/lib/cni/bridge', 'containernetworking-plugins'],
  ].map(([file, name]) => (existsSync(file) ? '' : `needs ${name}`)),
]
  .filter((text) => text !== '')
  .join('; ')

/** What answers in each namespace on each node; the kubelet asks it too. */
function daemonSet(network: NetworkName): object {
  const probe = { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 }
  const container = { name: 'echo', image: IMAGES.echo, imagePullPolicy: 'Never', readinessProbe: probe, livenessProbe: probe }
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'echo', namespace: `tenant-${network}` },
    spec: {
      selector: { matchLabels: { app: 'echo' } },
      template: {
        metadata: { labels: { app: 'echo' }, annotations: { [ANNOTATION]: network } },
        spec: { containers: [container], terminationGracePeriodSeconds: 1, automountServiceAccountToken: false },
      },
    },
  }
}

function plainPod(name: string, node: NodeName): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'tenant-red', annotations: { [ANNOTATION]: 'red' } },
    spec: {
      nodeName: node,
      containers: [{ name: 'pause', image: IMAGES.pause, imagePullPolicy: 'Never' }],
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
    },
  }
}

const BRIDGE = JSON.stringify({
  cniVersion: '1.0.0',
  name: 'bridge',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      ipam: { type: 'host-local', subnet: '10.88.0.0/24', routes: [{ dst: '0.0.0.0/0' }] },
    },
  ],
})

/** By what a node is sent packets: one whose kernel joins what comes behind joint labels says so, also through the reflector (ADR 0025). */
function encapsulationTo(node: NodeName): string {
  const isInKernel = NODES.some(({ name, dataplane }) => name === node && dataplane === 'ebpf')
  const joins = isInKernel && ebpfFeatures().some(({ name, available }) => name === 'vxlan-gpe' && available)
  return joins ? 'mpls-udp-joint' : 'mpls-udp'
}

/** Pods that are timed with each plugin. */
const TIMED = 5

describe.skipIf(missing !== '')(`a cluster of two nodes${missing === '' ? '' : ` (not run: ${missing})`}`, () => {
  let folder: string
  let fabric: Fabric
  let frr: FrrGateway
  let starting: Promise<ControlPlane> | undefined
  let plane: ControlPlane
  const machines = new Map<NodeName, Machine>()
  const overlay = new Map<NodeName, OverlayNode>()
  const machineOf = (name: NodeName): Machine => machines.get(name) as Machine
  const nodeOf = (name: NodeName): OverlayNode => overlay.get(name) as OverlayNode

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'heddle-cluster-'))
    fabric = new Fabric('hdkc', folder)
    frr = reflectorOn(fabric)
    const addresses = new Map(NODES.map(({ name }, index) => [name, fabric.addressOf(index)]))
    starting = ControlPlane.start({
      programs,
      folder: join(folder, 'plane'),
      netns: fabric.hub,
      address: fabric.address,
      nodes: addresses,
    })
    await frr.start()
    for (const { name } of NODES) machines.set(name, await fabric.add(name))
    await Promise.all(
      NODES.map(async ({ name, dataplane }, index) => {
        const network = { report: 'node-address' }
        const options = { machine: machineOf(name), address: fabric.addressOf(index), reflector: fabric.address, index, dataplane, network }
        overlay.set(name, await OverlayNode.start(options))
      }),
    )
    plane = await starting
    const images = [imageFile('pause'), imageFile('echo')]
    await Promise.all(
      NODES.map(async ({ name }) => {
        await startKubeNode({ machine: machineOf(name), address: addresses.get(name) ?? '', plane, programs, images })
        await nodeOf(name).heddle('cni', 'install', '--network', 'red')
      }),
    )
    for (const { name } of NODES) {
      await until(`${name} is ready, see ${machineOf(name).log('kubelet')}`, async () => {
        const ready = '{.status.conditions[?(@.type=="Ready")].status}'
        return (await plane.kubectl('get', 'node', name, '-o', `jsonpath=${ready}`).catch(() => '')) === 'True'
      })
    }
  }, 180_000)

  afterAll(async () => {
    // Also one of which a node that did not start kept us from hearing; one that did not start itself has ended what it had.
    const started = await starting?.catch(() => undefined)
    await started?.stop()
    await fabric?.close()
    await frr?.stop()
    if (folder !== undefined && process.env['HEDDLE_KEEP'] === undefined) rmSync(folder, { recursive: true, force: true })
  }, 60_000)

  const podsOf = async (network: NetworkName): Promise<readonly SeenPod[]> => {
    const { items } = JSON.parse(await plane.kubectl('get', 'pods', '-n', `tenant-${network}`, '-l', 'app=echo', '-o', 'json')) as {
      items: SeenPod[]
    }
    return items
  }
  const endpointOf = async (
    node: NodeName,
    network: NetworkName,
  ): Promise<{ readonly netns: string; readonly addresses: readonly string[] }> => {
    const [found] = (await nodeOf(node).endpoints()).filter(({ vrf, ifname }) => vrf === network && ifname === 'eth0')
    return found
  }
  /** What an HTTP server at `address` answers to someone in a namespace of a node. */
  const ask = async (node: NodeName, netns: string | undefined, address: string): Promise<string> => {
    const url = `http://${address.includes(':') ? `[${address}]` : address}:8080/`
    const words = ['curl', '-s', '-m', '5', url]
    const inside = netns === undefined ? words : ['nsenter', `--net=${netns}`, ...words]
    return (await machineOf(node).run(inside[0], ...inside.slice(1))).trim()
  }
  const named = (pods: readonly SeenPod[], node: NodeName): string => pods.find(({ spec }) => spec.nodeName === node)?.metadata.name ?? ''

  it('runs pods of two namespaces in red and blue, and its kubelets hear the probes answered', async () => {
    await plane.apply(...NETWORKS.map((network) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: `tenant-${network}` } })))
    await plane.apply(...NETWORKS.map(daemonSet))
    for (const network of NETWORKS) {
      await until(`the pods of ${network} are ready`, async () => {
        const pods = await podsOf(network)
        return pods.length === NODES.length && pods.every(isReady)
      })
    }
    for (const { name } of NODES) {
      const [red, blue] = await Promise.all(NETWORKS.map(async (network) => endpointOf(name, network)))
      expect(red.addresses).toEqual(blue.addresses)
      // The kubelet knows each by what is its own on the node, and is answered by the one that it asks.
      for (const network of NETWORKS) {
        const pod = (await podsOf(network)).find(({ spec }) => spec.nodeName === name)
        expect(pod?.status.podIP).toMatch(/^100\.64\./)
        for (const { ip } of pod?.status.podIPs ?? []) expect(await ask(name, undefined, ip)).toMatch(new RegExp(`^${pod?.metadata.name} `))
      }
    }
  }, 120_000)

  it('lets pods of one VRF reach each other across nodes over MPLS, and not those of the other', async () => {
    for (const [here, there] of [
      ['n1', 'n2'],
      ['n2', 'n1'],
    ] as const) {
      for (const network of NETWORKS) {
        const [from, to] = [await endpointOf(here, network), await endpointOf(there, network)]
        const pod = named(await podsOf(network), there)
        for (const address of to.addresses) {
          const expected = new RegExp(`^${pod} (${from.addresses.join('|')})$`)
          await until(
            `${network} on ${here} reaches ${address}`,
            async () => expected.test(await ask(here, from.netns, address).catch(() => '')),
            20_000,
          )
          const route = (await nodeOf(here).routes()).find(
            ({ vrf, prefix, best }) => best && vrf === network && prefix.startsWith(`${address}/`),
          )
          expect(route).toMatchObject({ installed: true, encapsulation: encapsulationTo(there), peer: fabric.address })
        }
      }
    }
  }, 60_000)

  it('has pods ready as soon as with the reference plugin bridge', async () => {
    const time = async (kind: string): Promise<number> => {
      await using watch = new PodWatch(plane, 'tenant-red')
      for (let n = 0; n < TIMED; n++) {
        const name = `${kind}-${n}`
        await plane.apply(plainPod(name, 'n1'))
        await until(`${name} is ready`, () => watch.times.has(name))
      }
      const times = [...watch.times].filter(([name]) => name.startsWith(`${kind}-`)).map(([, milliseconds]) => milliseconds)
      await plane.kubectl('delete', 'pod', '-n', 'tenant-red', '--wait', ...Array.from({ length: TIMED }, (_, n) => `${kind}-${n}`))
      return median(times)
    }
    const ours = await time('heddle')
    const node = nodeOf('n1')
    // A pod is gone for the API server before its sandbox is: containerd would call the other plugin for its DEL, and ours only when the kubelet
    // collects sandboxes, once a minute.
    const podsThere = async (): Promise<number> => (await node.endpoints()).filter(({ ifname }) => ifname === 'eth0').length
    await until('no pod that was timed has an endpoint', async () => (await podsThere()) === NETWORKS.length)
    const list = join(folder, '00-bridge.conflist')
    writeFileSync(list, BRIDGE)
    await node.options.machine.run('sh', '-c', `cp /usr/lib/cni/* /opt/cni/bin/ && cp ${list} /etc/cni/net.d/00-bridge.conflist`)
    await until('the runtime takes the other plugin', async () => {
      const info = await node.options.machine.run('sh', '-c', 'ls /etc/cni/net.d')
      return info.includes('00-bridge.conflist')
    })
    const theirs = await time('bridge')
    await node.heddle('cni', 'install', '--network', 'red')
    console.log(`pod ready, p50 of ${TIMED}: heddle ${ours.toFixed(0)} ms, bridge with host-local ${theirs.toFixed(0)} ms`)
    // The kubelet's own steps are most of both: they differ by what the plugins take, and the machine's mood.
    expect(ours).toBeLessThan(theirs * 1.5 + 500)
  }, 120_000)

  it('leaves nothing of pods that are deleted', async () => {
    // Nowhere to run: the controller takes the pods away at once, where those of a deleted one wait for the garbage collector.
    const nowhere = JSON.stringify({ spec: { template: { spec: { nodeSelector: { nowhere: 'yes' } } } } })
    for (const network of NETWORKS) await plane.kubectl('patch', 'daemonset', 'echo', '-n', `tenant-${network}`, '-p', nowhere)
    for (const { name } of NODES) {
      await until(`${name} has no endpoint left`, async () => (await nodeOf(name).endpoints()).length === 0)
    }
    await until('the reflector has no route', async () => (await frr.view()).routes.length === 0)
  }, 60_000)
})
