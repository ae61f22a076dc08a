import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './machine.js'

/** Podman in a machine, with CNI as its network back end. */
export class Podman {
  /** Folder of its network configurations. */
  readonly configurations = '/etc/cni/podman'

  private constructor(
    readonly machine: Machine,
    readonly image: string,
    readonly environment: Readonly<Record<string, string>>,
  ) {}

  /** Makes its configuration and loads an image from an OCI archive. */
  static async start(machine: Machine, archive: string, image: string): Promise<Podman> {
    const disk = join(machine.folder, 'disk', 'podman')
    const [containers, storage] = ['containers.conf', 'storage.conf'].map((name) => join(machine.folder, name))
    const podman = new Podman(machine, image, { CONTAINERS_CONF: containers, CONTAINERS_STORAGE_CONF: storage })
    // No default seccomp profile comes without recommended packages, and no systemd or dbus runs in a machine.
    writeFileSync(
      containers,
      `[containers]\nseccomp_profile = "unconfined"\nlog_driver = "k8s-file"\noom_score_adj = 0\npidns = "private"\n` +
        `[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n` +
        `[network]\nnetwork_backend = "cni"\nnetwork_config_dir = "${podman.configurations}"\ncni_plugin_dirs = ["/opt/cni/bin", "/usr/lib/cni"]\n`,
    )
    writeFileSync(storage, `[storage]\ndriver = "vfs"\nrunroot = "${disk}/run"\ngraphroot = "${disk}/graph"\n`)
    await podman.ask('load', '--quiet', '--input', archive)
    return podman
  }

  /** Runs a container on a network; its id. */
  async runContainer(name: string, network: string): Promise<string> {
    return (await this.ask('run', '--detach', '--name', name, '--network', network, this.image)).trim()
  }

  async removeContainer(name: string): Promise<void> {
    await this.ask('rm', '--force', '--time', '0', name)
  }

  /** What podman knows of a container: addresses from the plugin's result, and the path of its namespace. */
  async inspect(name: string): Promise<{ readonly addresses: readonly string[]; readonly netns: string }> {
    const [{ NetworkSettings: settings }] = JSON.parse(await this.ask('inspect', name)) as [
      { NetworkSettings: { SandboxKey: string; Networks: Record<string, { IPAddress: string; GlobalIPv6Address: string }> } },
    ]
    const [network] = Object.values(settings.Networks)
    return { addresses: [network.IPAddress, network.GlobalIPv6Address], netns: settings.SandboxKey }
  }

  async ask(...words: string[]): Promise<string> {
    const variables = Object.entries(this.environment).map(([key, value]) => `${key}=${value}`)
    return this.machine.run('env', ...variables, 'podman', ...words)
  }
}
