import { closeSync, existsSync, openSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { MOUNTED } from './pins.js'

/** Whether forwarding goes on when the process, and what it runs in, has ended. */
export interface Survival {
  readonly goesOn: boolean
  readonly because: string
}

/** What to do where pins end with the process. */
export const KEPT_PINS =
  'pins on a BPF file system of the host, /sys/fs/bpf/heddle for instance, or a volume whose mounts reach the host (Bidirectional)'

/** What tells of a directory of pins how long its file system is there. */
export interface PinMounts {
  /** Number of the mount that it lies on. */
  readonly id: number
  /** Whether a dataplane has made that; whoever else did knew what for. */
  readonly isMade: boolean
  /** Mounts of this process, as in `/proc/self/mountinfo`. */
  readonly own: string
  /** Those of the host, where it tells. */
  readonly hosts: string | undefined
}

/** What Linux calls the PID namespace that it begins with (`PID_NS_INIT_INO`): process 1 of another one may be that of a container. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]'

/** Of a dataplane that is opened. What cannot be found out speaks against nothing. */
export function survivalOf(pinDirectory: string | undefined): Survival {
  if (pinDirectory === undefined) return { goesOn: false, because: 'nothing is pinned' }
  if (triedOr(true, () => outliveNamespace(mountsOf(pinDirectory)))) return { goesOn: true, because: `pins are in ${pinDirectory}` }
  return { goesOn: false, because: `pins in ${pinDirectory} end with the mount namespace of the process, and nobody else has them` }
}

/**
 * Whether a file system is there when the mount namespace of this process has ended: it is where the host has it too. Where the host does not tell, it has what
 * was made on a mount that hands on to it: one that is shared, and not a slave as well, as all are in a unit of systemd with a namespace of its own, from
 * which nothing comes out (`MountFlags=` in systemd.exec(5)).
 */
export function outliveNamespace({ id, isMade, own, hosts }: PinMounts): boolean {
  const mounts = parsed(own)
  const mount = mounts.get(id)
  if (mount === undefined) return true
  if (hosts !== undefined) return [...parsed(hosts).values()].some(({ device }) => device === mount.device)
  if (!isMade) return true
  const { tags = [] } = mounts.get(mount.parent) ?? {}
  const has = (kind: string): boolean => tags.some((tag) => tag.startsWith(`${kind}:`))
  return has('shared') && !has('master')
}

interface Mount {
  readonly parent: number
  /** Number of the file system, the same wherever it is mounted. */
  readonly device: string
  /** How mounts on it propagate. */
  readonly tags: readonly string[]
}

/** Mounts by their number; see proc_pid_mountinfo(5). */
function parsed(mountinfo: string): ReadonlyMap<number, Mount> {
  return new Map(
    mountinfo.split('\n').map((line) => {
      const [id, parent, device = '', , , , ...rest] = line.split(' ')
      return [Number(id), { parent: Number(parent), device, tags: rest.slice(0, rest.indexOf('-')) }]
    }),
  )
}

function mountsOf(directory: string): PinMounts {
  const fd = openSync(directory, 'r')
  try {
    const [, id] = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')) ?? []
    const own = readFileSync('/proc/self/mountinfo', 'utf8')
    return { id: Number(id), isMade: existsSync(join(directory, MOUNTED)), own, hosts: triedOr(undefined, hostMounts) }
  } finally {
    closeSync(fd)
  }
}

/** Undefined in a container that has process numbers of its own. @throws for want of the capabilities of process 1, or of CAP_SYS_PTRACE */
function hostMounts(): string | undefined {
  return readlinkSync('/proc/self/ns/pid') === FIRST_PID_NAMESPACE ? readFileSync('/proc/1/mountinfo', 'utf8') : undefined
}

function triedOr<T>(otherwise: T, attempt: () => T): T {
  try {
    return attempt()
  } catch {
    return otherwise
  }
}
