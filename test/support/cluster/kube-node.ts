import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { Containerd } from '../machine/containerd.js'
import type { Machine } from '../machine/machine.js'
import type { ControlPlane } from './control-plane.js'

export interface KubeNodeOptions {
  readonly machine: Machine
  readonly address: string
  readonly plane: ControlPlane
  /** Folder of Kubernetes' programs. */
  readonly programs: string
  /** OCI archives. */
  readonly images: readonly string[]
}

/** Starts containerd and a kubelet in a machine; they end with it. */
export async function startKubeNode({ machine, address, plane, programs, images }: KubeNodeOptions): Promise<Containerd> {
  const containerd = await Containerd.start(machine, images)
  const { name, folder } = machine
  const config = join(folder, 'kubelet.yaml')
  writeFileSync(
    config,
    stringify({
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: join(plane.pki, 'ca.crt') } },
      authorization: { mode: 'Webhook' },
      tlsCertFile: join(plane.pki, `serving-${name}.crt`),
      tlsPrivateKeyFile: join(plane.pki, `serving-${name}.key`),
      containerRuntimeEndpoint: `unix://${containerd.socket}`,
      cgroupDriver: 'cgroupfs',
      failCgroupV1: false,
      failSwapOn: false,
      resolvConf: '/etc/resolv.conf',
      imageGCHighThresholdPercent: 100,
      evictionHard: { 'memory.available': '0%', 'nodefs.available': '0%', 'nodefs.inodesFree': '0%', 'imagefs.available': '0%' },
      enforceNodeAllocatable: ['pods'],
    }),
  )
  const flags = {
    config,
    kubeconfig: join(plane.pki, `kubelet-${name}.conf`),
    'hostname-override': name,
    'node-ip': address,
    'root-dir': join(folder, 'disk', 'kubelet'),
  }
  machine.spawn(
    'kubelet',
    join(programs, 'kubelet'),
    Object.entries(flags).map(([key, value]) => `--${key}=${value}`),
  )
  return containerd
}
