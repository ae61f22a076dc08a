import type { IpPrefix } from '@heddle/wire'

/** The pool of a virtual network that nodes share in blocks. */
export interface SharedPool {
  /** Name of the virtual network: others may have the same prefix. */
  readonly space: string
  readonly prefix: IpPrefix
  /** Of a block: its bits, at least those of `prefix`. */
  readonly length: number
}

/** Where the nodes of a cluster write down whose blocks are whose: a folder that they share, a database, the objects of an API server. */
export interface BlockRegistry {
  /** Blocks that are this node's, in any order: also those that a process before this one has claimed. */
  held(pool: SharedPool): Promise<readonly number[]>
  /** Makes a block this node's that is nobody's; `undefined` when there is none. Of nodes that claim at once, no two get the same. */
  claim(pool: SharedPool): Promise<number | undefined>
  /** Gives a block back, which is this node's. Idempotent. */
  release(pool: SharedPool, index: number): Promise<void>
}
