import { accessSync, constants, existsSync } from 'node:fs'
import { ebpfFeatures } from '@heddle/dataplane-ebpf'
import { nativeAvailability } from '@heddle/linux'
import { TOPOLOGY } from '../topology.js'

const PROGRAMS: readonly (readonly [file: string, debianPackage: string])[] = [
  ['/usr/lib/frr/bgpd', 'frr'],
  ['/usr/bin/vtysh', 'frr'],
  ['/usr/bin/tshark', 'tshark'],
  ['/usr/bin/dumpcap', 'tshark'],
  ['/usr/bin/nsenter', 'util-linux'],
]

const SBIN: readonly (readonly [name: string, debianPackage: string])[] = [
  ['ip', 'iproute2'],
  ['ping', 'iputils-ping'],
  ['ethtool', 'ethtool'],
]

const TUN = '/dev/net/tun'

/** What this machine lacks for the real demo, a line each; empty when it can run. @param kernelNodes names of nodes that shall forward in the kernel */
export function missingForRealLab(kernelNodes: readonly string[] = []): readonly string[] {
  if (process.platform !== 'linux') return [`Linux (this is ${process.platform})`]
  const missing: string[] = []
  if (process.getuid?.() !== 0) missing.push('root, or a user namespace (unshare -Urnm)')
  const native = nativeAvailability()
  if (!native.available) missing.push(native.reason)
  for (const [file, debianPackage] of PROGRAMS) if (!existsSync(file)) missing.push(`${file} (Debian: ${debianPackage})`)
  for (const [name, debianPackage] of SBIN) {
    if (!['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((dir) => existsSync(`${dir}/${name}`)))
      missing.push(`${name} (Debian: ${debianPackage})`)
  }
  if (!existsSync(TUN)) missing.push(TUN)
  else if (!isOpenTo(TUN)) missing.push(`permission to open ${TUN}`)
  return kernelNodes.length === 0 ? missing : [...missing, ...missingForKernel(kernelNodes)]
}

function missingForKernel(nodes: readonly string[]): readonly string[] {
  const unknown = nodes.filter((wanted) => !TOPOLOGY.nodes.some(({ name }) => name === wanted)).map((name) => `a node called ${name}`)
  try {
    const lacking = ebpfFeatures().filter(({ available, optional }) => !available && !optional)
    return [...unknown, ...lacking.map(({ name, minimumKernel, reason }) => `${name} (Linux ${minimumKernel}): ${reason}`)]
  } catch (error) {
    return [...unknown, error instanceof Error ? error.message : String(error)]
  }
}

/** Whether this process may read and write a device; root of a user namespace may not write what only the host's root may. */
function isOpenTo(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
