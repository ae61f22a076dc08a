import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from './until.js'
import { CriClient } from './cri-client.js'
import type { Machine } from './machine.js'

/** Name under which a machine has the image of pods. */
export const PAUSE = 'localhost/heddle/pause:1'

/** A container runtime in a machine, spoken to as a kubelet does. */
export class Containerd {
  private constructor(
    /** Where it is served, as this process and the machine see it. */
    readonly socket: string,
    readonly cri: CriClient,
  ) {}

  /** Starts containerd with images of OCI archives; it ends with the machine. Its files are on the machine's tmpfs. */
  static async start(machine: Machine, images: readonly string[]): Promise<Containerd> {
    const socket = join(machine.folder, 'containerd.sock')
    const config = join(machine.folder, 'containerd.toml')
    writeFileSync(config, configuration(join(machine.folder, 'disk', 'containerd'), socket))
    const child = machine.spawn('containerd', 'containerd', ['--config', config])
    const ctr = ['-a', socket, '-n', 'k8s.io']
    await until(`containerd serves, see ${machine.log('containerd')}`, async () => {
      if (child.exitCode !== null) throw new TypeError(`containerd ended with ${child.exitCode}, see ${machine.log('containerd')}`)
      return machine.succeeds('ctr', ...ctr, 'version')
    })
    for (const image of images) await machine.run('ctr', ...ctr, 'images', 'import', image)
    return new Containerd(socket, new CriClient(socket))
  }
}

function configuration(folder: string, socket: string): string {
  // Without CAP_SYS_RESOURCE the score of a pod cannot be lowered; without AppArmor in the kernel there is no profile to load.
  return `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.internal.v1.tracing", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "${socket}"
[ttrpc]
  address = "${socket}.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`
}
