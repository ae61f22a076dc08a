import { DataplaneError } from '@heddle/core'
import type { LinuxError } from '@heddle/linux'
import { readFileSync } from 'node:fs'

/** Capabilities by their bit in the kernel's sets. */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_PERFMON: 38, CAP_BPF: 39 } as const
type Capability = keyof typeof CAPABILITIES

/** What the dataplane cannot do without; CAP_SYS_ADMIN stands for those of BPF, as in kernels before these were (Linux 5.8). */
const NEEDED: readonly (readonly [name: Capability, instead?: Capability])[] = [
  ['CAP_NET_ADMIN'],
  ['CAP_BPF', 'CAP_SYS_ADMIN'],
  ['CAP_PERFMON', 'CAP_SYS_ADMIN'],
]

/**
 * Looks at the effective capabilities of this process (capabilities(7)), so that what is missing is said at the start and not with the first device. With
 * CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON alone it runs in its own namespace, on a BPF file system that is there; entering the namespaces of endpoints,
 * and mounting one, take CAP_SYS_ADMIN.
 *
 * @throws DataplaneError `dataplane.permission` naming what is missing, and both ways to have it
 */
export function checkPrivileges(status = readFileSync('/proc/self/status', 'utf8')): void {
  const [, hex = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? []
  const effective = BigInt(`0x${hex}`)
  const has = (name: Capability): boolean => ((effective >> BigInt(CAPABILITIES[name])) & 1n) === 1n
  const missing = NEEDED.filter((names) => !names.some((name) => name !== undefined && has(name))).map(([name, instead]) =>
    instead === undefined ? name : `${name} (or ${instead})`,
  )
  if (missing.length === 0) return
  const [are, them] = missing.length === 1 ? ['is', 'it'] : ['are', 'them']
  throw new DataplaneError(
    'dataplane.permission',
    `${missing.join(' and ')} ${are} missing: ` +
      `give ${them} to the process (AmbientCapabilities= of a systemd unit, capabilities.add of a container), or run it as root with all capabilities`,
  )
}

/** What takes CAP_SYS_ADMIN, by how what was tried begins; the path follows. What else can be done is said with it. */
const BY_SYS_ADMIN: readonly (readonly [tried: string, needs: string, otherwise: (path: string) => string])[] = [
  ['enter network namespace ', 'to enter the network namespace', () => ''],
  [
    'mount a BPF file system on ',
    'to mount a BPF file system on',
    (path) => `; with one that is mounted beforehand (mount -t bpf bpf ${path}) it is not needed`,
  ],
]

/** What may be meant where a directory of pins cannot be made, whoever asks. */
const NO_DIRECTORY =
  'a BPF file system takes no name with a dot, and /sys/fs/bpf no name at all until one is mounted there (mount -t bpf bpf /sys/fs/bpf)'

/** What the kernel refused, with the capability that it takes, or what else may be meant, where that is known. */
export function refusalOf({ code, operation, message }: LinuxError): string {
  if (code === 'EPERM' && operation.startsWith('make the directory ')) return `${message}: ${NO_DIRECTORY}`
  const [tried = '', needs, otherwise = () => ''] = BY_SYS_ADMIN.find(([each]) => operation.startsWith(each)) ?? []
  if (code !== 'EPERM' || needs === undefined) return message
  const path = operation.slice(tried.length)
  return `it needs CAP_SYS_ADMIN ${needs} ${path}${otherwise(path)}: ${message}`
}
