import type { Daemon } from '../daemon.js'

/** A peer of a daemon: one of our speakers, which connects to it or waits for it at `port`. */
export interface MatrixPeer {
  readonly address: string
  /** The daemon connects here; without it, it waits. */
  readonly port?: number
  /** Default 65000, that of the daemon. */
  readonly as?: number
  /** Key of TCP MD5. */
  readonly md5?: string
  /** Several paths, both ways. */
  readonly addPath?: boolean
  /** Keeps the peer's routes for long when it is gone (RFC 9494): seconds. */
  readonly longLived?: number
}

/** Where a daemon is, and with whom it speaks IPv4 unicast. */
export interface MatrixConfig {
  readonly address: string
  readonly port: number
  readonly peers: readonly MatrixPeer[]
}

/** A daemon of someone else's that can be configured for rows of the matrix of `docs/INTEROP.md`. */
export interface MatrixDaemon {
  /** As the column of the matrix is called. */
  readonly name: string
  /** Why it cannot be run here; empty when it can. */
  readonly reason: string
  /** What it has of that not all have; the matrix says `–` for the rest. */
  readonly has: { readonly routeRefresh: boolean; readonly extendedMessages: boolean; readonly longLived: boolean }
  /** It gives its listening socket no key of TCP MD5: who connects to it is not let in. */
  readonly signsOwnConnectionsOnly?: boolean
  start(config: MatrixConfig): Promise<Daemon>
  /** Has it write its table of IPv4 unicast to a file in MRT (RFC 6396), where it can be told to. */
  dump?(daemon: Daemon, file: string): Promise<unknown>
  /** What its own client shows of a prefix of IPv4 unicast. */
  show(daemon: Daemon, config: MatrixConfig, prefix: string): Promise<string>
}

/** Why something that is not there, or needs root, cannot be run. */
export function reasonOf(path: string | undefined, root = false): string {
  if (path === undefined) return ' (not installed)'
  return root && process.getuid?.() !== 0 ? ' (needs root)' : ''
}
