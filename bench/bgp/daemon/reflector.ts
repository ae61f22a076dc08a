import type { Software } from '../../harness/result.ts'
import type { AddressFamily } from '../workload/family.ts'

/** What a reflector is to be: where it listens, and who its clients are. */
export interface ReflectorSetup {
  readonly address: string
  readonly port: number
  /** For whoever has a management interface on TCP. */
  readonly managementPort: number
  readonly family: AddressFamily
  readonly clients: readonly string[]
  /** Its own, for configuration and sockets. */
  readonly directory: string
}

/** A BGP daemon that can be a route reflector. */
export interface Reflector {
  readonly name: string
  /** Path of the executable, if it is installed. */
  readonly executable: string | undefined
  readonly version: () => string
  /** How it was set up, where that matters. */
  readonly note?: string
  /** Its timers can be asked for (`probe/`). */
  readonly probed?: boolean
  /** Name and content of the configuration, and the arguments. */
  start(setup: ReflectorSetup): { readonly config: string; readonly args: readonly string[] }
}

export const AS = 65_000
/** Name of the configuration in the directory. */
export const CONFIG_FILE = 'daemon.conf'

/** Those that take part, the subject first, as results name them. */
export function softwareOf(reflectors: readonly Reflector[]): Software[] {
  return reflectors.map(({ name, version, note }, at) => ({
    name,
    version: version(),
    role: at === 0 ? 'subject' : 'rival',
    ...(note === undefined || note === '' ? {} : { note }),
  }))
}
