import { LOCAL, PATH, type PathSink, type RibTable } from '../../rib/rib-table.js'
import type { IpAddress } from '@heddle/wire'
import type { RouteChange } from '../route.js'
import type { PlacedTable } from '../table/table-observers.js'
import type { Scheduler, Task } from '../scheduler.js'
import { SpeakerError } from '../speaker-error.js'

/** What the feed must know of whoever gave a path. */
export interface FeedPeer {
  readonly address: string
  /** The VRF that it is in. */
  readonly vrf?: string
  readonly peerType: 'ibgp' | 'ebgp'
  readonly routerId: IpAddress
}

/** Changes that one batch may have. */
const BATCH = 1024
/** Entries about nothing that the queue may have in any case. */
const MOOT = 1024

/**
 * Changes of what peers gave, for one consumer at a time. It begins with everything that is there. A path is queued once however often it
 * changes, so a slow consumer gets the newest state of each. What came and went meanwhile is taken out again, so that the queue is bounded by
 * the paths that there are and those that the consumer knows.
 */
export class ChangeFeed implements PathSink, AsyncIterable<readonly RouteChange[]> {
  #open = false
  #closed = false
  #tables: RibTable[] = []
  #paths: number[] = []
  #head = 0
  #waiting: ((result: IteratorResult<readonly RouteChange[]>) => void) | undefined
  readonly #deliver: Task = { work: 'deliver', run: () => this.#hand() }
  /** Queued paths that died unseen; some of them may have come back. */
  #moot = 0
  /** VRFs of the tables that are in one. */
  readonly #vrfs = new WeakMap<RibTable, string>()
  readonly #tidy: Task = { work: 'deliver', run: () => this.#compact() }

  constructor(
    private readonly scheduler: Scheduler,
    private readonly everyTable: () => Iterable<PlacedTable>,
    private readonly peerOf: (index: number) => FeedPeer,
    private readonly mootLimit = MOOT,
  ) {}

  /** Paths that wait to be handed out. */
  get pending(): number {
    return this.#paths.length - this.#head
  }

  changed(table: RibTable, path: number): void {
    if (!this.#open || table.peerOf(path) === LOCAL) return
    if (table.has(path, PATH.queued)) {
      const unseen = table.has(path, PATH.dead) && !table.has(path, PATH.delivered)
      if (unseen && ++this.#moot > this.mootLimit && this.#moot * 2 > this.pending) this.scheduler.wake(this.#tidy)
      return
    }
    const gone = table.has(path, PATH.dead) || table.invalidOf(path) !== undefined
    if (gone && !table.has(path, PATH.delivered)) return
    table.flag(path, PATH.queued, true)
    this.#tables.push(table)
    this.#paths.push(path)
    if (this.#waiting !== undefined) this.scheduler.wake(this.#deliver)
  }

  /** Takes what customers of a VRF give. Beside that its tables have copies of VPN routes, which have been told as what they are. */
  sinkFor(vrf: string): PathSink {
    return {
      changed: (table, path) => {
        if (this.peerOf(table.peerOf(path)).vrf !== vrf) return
        this.#vrfs.set(table, vrf)
        this.changed(table, path)
      },
    }
  }

  /** @throws SpeakerError `speaker.state` while another iteration goes on */
  [Symbol.asyncIterator](): AsyncIterator<readonly RouteChange[]> {
    if (this.#open) throw new SpeakerError('speaker.state', 'changes', 'are being iterated already')
    this.#open = !this.#closed
    for (const { table, vrf } of this.everyTable()) {
      const sink = vrf === undefined ? this : this.sinkFor(vrf)
      for (const destination of table.destinations()) for (const path of table.pathsOf(destination)) sink.changed(table, path)
    }
    let over = false
    return {
      next: () => (over ? Promise.resolve({ done: true, value: undefined }) : this.#next()),
      return: () => {
        if (!over) this.#finish()
        over = true
        return Promise.resolve({ done: true, value: undefined })
      },
    }
  }

  /** Ends the iteration at once: what a speaker forgets when it stops is no change. */
  close(): void {
    this.#closed = true
    this.#finish()
  }

  #next(): Promise<IteratorResult<readonly RouteChange[]>> {
    const batch = this.#take()
    if (batch.length > 0) return Promise.resolve({ done: false, value: batch })
    return new Promise((resolve) => {
      this.#waiting = resolve
      if (this.#closed || !this.#open) this.#finish()
    })
  }

  #hand(): boolean {
    const waiting = this.#waiting
    if (waiting === undefined) return false
    const batch = this.#take()
    if (batch.length === 0) return false
    this.#waiting = undefined
    waiting({ done: false, value: batch })
    return false
  }

  #finish(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    this.#end()
    waiting?.({ done: true, value: undefined })
  }

  #take(): RouteChange[] {
    const out: RouteChange[] = []
    while (out.length < BATCH && this.#head < this.#paths.length) {
      const at = this.#head++
      const change = this.#changeOf(this.#tables[at], this.#paths[at])
      if (change !== undefined) out.push(change)
    }
    if (this.#head === this.#paths.length) {
      this.#tables = []
      this.#paths = []
      this.#head = 0
      this.#moot = 0
    }
    return out
  }

  /** Takes out what the consumer need not be told. */
  #compact(): boolean {
    const tables: RibTable[] = []
    const paths: number[] = []
    for (; this.#head < this.#paths.length; this.#head++) {
      const table = this.#tables[this.#head]
      const path = this.#paths[this.#head]
      if (table.has(path, PATH.dead) && !table.has(path, PATH.delivered)) {
        table.flag(path, PATH.queued, false)
        table.freePath(path)
      } else {
        tables.push(table)
        paths.push(path)
      }
    }
    this.#tables = tables
    this.#paths = paths
    this.#head = 0
    this.#moot = 0
    return false
  }

  #changeOf(table: RibTable, path: number): RouteChange | undefined {
    table.flag(path, PATH.queued, false)
    const peer = this.peerOf(table.peerOf(path))
    const vrf = this.#vrfs.get(table)
    const place = vrf === undefined ? {} : { vrf }
    const identity = { ...place, family: table.family, nlri: table.nlriOf(path), pathId: table.pathIdOf(path), peer: peer.address }
    const dead = table.has(path, PATH.dead)
    const delivered = table.has(path, PATH.delivered)
    if (dead || table.invalidOf(path) !== undefined) {
      table.flag(path, PATH.delivered, false)
      if (dead) table.freePath(path)
      return delivered ? { kind: 'withdraw', ...identity } : undefined
    }
    table.flag(path, PATH.delivered, true)
    const { attributes, nextHop } = table.sets.get(table.setOf(path))
    return {
      kind: 'announce',
      ...identity,
      attributes,
      ...(nextHop === undefined ? {} : { nextHop: nextHop.address }),
      peerType: peer.peerType,
      peerRouterId: peer.routerId,
      stale: table.has(path, PATH.stale),
    }
  }

  /** Forgets what the consumer knew. */
  #end(): void {
    if (!this.#open) return
    this.#open = false
    for (; this.#head < this.#paths.length; this.#head++) {
      const table = this.#tables[this.#head]
      const path = this.#paths[this.#head]
      table.flag(path, PATH.queued, false)
      if (table.has(path, PATH.dead)) table.freePath(path)
    }
    this.#tables = []
    this.#paths = []
    this.#head = 0
    this.#moot = 0
    for (const { table } of this.everyTable()) table.unmarkAll(PATH.delivered)
  }
}
