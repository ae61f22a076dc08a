import { DataplaneError, type CounterSnapshot, type DataplaneEvent, type FibTransaction } from '@heddle/core'
import type { Logger } from '@heddle/io'
import { closeDescriptor, duplicateDescriptor, wakeWaiter, type TunDevice } from '@heddle/linux'
import type { IpAddress } from '@heddle/wire'
import { Worker } from 'node:worker_threads'
import type { TooLarge } from '../forwarder/underlay-sinks.js'
import type { Receiver, Senders } from '../forwarder/underlay.js'
import { FrameReader } from '../protocol/frame.js'
import { decodeAnswer } from '../protocol/message.js'
import { RingWriter, ringMemory } from './byte-ring.js'
import { decodeCounters, encodeCommand, type Command, type LaneStart, type Word } from './command.js'
import type { Lanes } from './lanes.js'
import { mergeCounters } from './merge-counters.js'
import { isEmpty, removingPart, settingPart } from './phases.js'
import type { MovedRoutes, SharedRoutes } from './shared-routes.js'

export interface ThreadedLanesOptions extends Pick<
  LaneStart,
  'limits' | 'encapsulations' | 'features' | 'underlayMtu' | 'flowMemory' | 'sequenceMemory' | 'linkMemory' | 'rateMemory' | 'epoch'
> {
  /** Of the tables that transactions are judged by. */
  readonly routes: SharedRoutes
  /** Threads: the first half of them reads devices, the rest the underlay; one does both. */
  readonly threads: number
  readonly senders: readonly Senders[]
  readonly receivers: readonly Receiver[]
  readonly observe: (event: DataplaneEvent) => void
  readonly tooLarge: TooLarge
  /** Path of `lane-main`, and options of Node.js for it. */
  readonly script: string
  readonly execArgv: readonly string[]
  /** Whether nothing is read until `resume`. */
  readonly isPaused: boolean
  /** Called when a thread came to its end by itself. */
  readonly failed: (error: unknown) => void
  readonly logger: Logger
}

interface Waiting {
  readonly resolve: (counters: Uint8Array | undefined) => void
  readonly reject: (error: Error) => void
}

/** Lanes on threads of their own. */
export class ThreadedLanes implements Lanes {
  readonly #options: ThreadedLanesOptions
  readonly #threads: Thread[] = []
  readonly #gone = new Map<number, (reason: string) => void>()

  private constructor(options: ThreadedLanesOptions) {
    this.#options = options
  }

  /** @throws DataplaneError `dataplane.device` when a thread cannot begin */
  static async open(options: ThreadedLanesOptions): Promise<ThreadedLanes> {
    const lanes = new ThreadedLanes(options)
    const { threads, receivers } = options
    const readers = threads - Math.ceil(threads / 2)
    try {
      for (let index = 0; index < threads; index++) {
        const mine = receivers.filter((_, at) => (readers === 0 ? 0 : threads - readers + (at % readers)) === index)
        lanes.#threads.push(await Thread.open(options, mine, (word) => lanes.#hear(word)))
      }
      return lanes
    } catch (error) {
      await lanes.close()
      throw error
    }
  }

  async program(transaction: FibTransaction, commit: () => void): Promise<void> {
    const { routes } = this.#options
    const [setting, removing] = [settingPart(transaction), removingPart(transaction)]
    const sets = !isEmpty(setting)
    if (sets) await this.#tellAndReclaim(setting)
    commit()
    const moved = routes.takeMoved()
    if (moved.length > 0) for (const thread of this.#threads) thread.follow(moved)
    // Waking threads is what a small transaction costs most: words that this one left wait for the next that is told.
    if (!sets || moved.length > 0 || !isEmpty(removing)) await this.#tellAndReclaim(removing)
  }

  async addPort(port: number, device: TunDevice, gone: (reason: string) => void): Promise<void> {
    const writers = Math.ceil(this.#threads.length / 2)
    this.#gone.set(port, gone)
    await Promise.all(
      this.#threads.map((thread, index) =>
        thread.tell({ type: 'add-port', port, fd: duplicateDescriptor(device.fd), reads: index === port % writers }),
      ),
    )
  }

  async removePort(port: number): Promise<void> {
    this.#gone.delete(port)
    await this.#tellAll({ type: 'remove-port', port })
  }

  setUnderlayMtu(octets: number): void {
    void this.#tellAll({ type: 'underlay-mtu', octets })
  }

  setPathMtu(remote: IpAddress, octets: number | undefined): void {
    void this.#tellAll({ type: 'path-mtu', remote, ...(octets !== undefined && { octets }) })
  }

  setLiveness(liveness: number, isUp: boolean): void {
    void this.#tellAll({ type: 'liveness', liveness, isUp })
  }

  async counters(): Promise<CounterSnapshot> {
    const answers = await this.#tellAll({ type: 'counters' })
    return mergeCounters(answers.flatMap((octets) => (octets === undefined ? [] : decodeCounters(octets))))
  }

  async addCounters(counters: CounterSnapshot): Promise<void> {
    await this.#threads[0]?.tell({ type: 'add-counters', counters })
  }

  async pause(): Promise<void> {
    await this.#tellAll({ type: 'pause' })
  }

  async resume(): Promise<void> {
    await this.#tellAll({ type: 'resume' })
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()))
  }

  async #tellAndReclaim(transaction: FibTransaction): Promise<void> {
    await this.#options.routes.reclaim(() => this.#tellAll({ type: 'program', transaction }))
  }

  #tellAll(command: Command): Promise<(Uint8Array | undefined)[]> {
    return Promise.all(this.#threads.map((thread) => thread.tell(command)))
  }

  #hear(word: Word): void {
    const { observe, tooLarge, senders, logger } = this.#options
    switch (word.type) {
      case 'event':
        for (const frame of new FrameReader().push(word.frame)) {
          const answer = decodeAnswer(frame)
          if (answer.type === 'event') observe(answer.event)
        }
        break
      case 'gone':
        this.#gone.get(word.port)?.(word.reason)
        break
      case 'too-large':
        tooLarge(senders[word.sender].local, word.family, word.remote)
        break
      case 'log':
        if (word.level !== 'silent') logger[word.level](word.message, word.fields)
        break
      default:
    }
  }
}

/** This end of a thread. */
class Thread {
  readonly #worker: Worker
  readonly #writer: RingWriter
  readonly #waiting = new Map<number, Waiting>()
  readonly #ended: Promise<void>
  #nextId = 0
  #isOver = false

  private constructor(
    worker: Worker,
    ring: SharedArrayBuffer,
    wakeFd: number,
    failed: (error: unknown) => void,
    hear: (word: Word) => void,
  ) {
    this.#worker = worker
    this.#writer = new RingWriter(ring, () => {
      if (!this.#isOver) wakeWaiter(wakeFd)
    })
    worker.on('message', (word: Word) => {
      if (word.type === 'done') this.#take(word.id)?.resolve(word.counters)
      else if (word.type === 'failed') this.#take(word.id)?.reject(new DataplaneError('dataplane.device', word.message))
      else if (word.type === 'room') this.#writer.proceed()
      else hear(word)
    })
    worker.once('error', failed)
    this.#ended = new Promise((resolve) =>
      worker.once('exit', () => {
        this.#isOver = true
        for (const id of this.#waiting.keys()) this.#take(id)?.resolve(undefined)
        resolve()
      }),
    )
  }

  static async open(options: ThreadedLanesOptions, receivers: readonly Receiver[], hear: (word: Word) => void): Promise<Thread> {
    const {
      limits,
      encapsulations,
      features,
      underlayMtu,
      flowMemory,
      sequenceMemory,
      linkMemory,
      rateMemory,
      epoch,
      senders,
      isPaused,
      script,
      execArgv,
    } = options
    const ring = ringMemory()
    const copies: number[] = []
    const copy = ({ fd }: { readonly fd: number }): number => {
      const made = duplicateDescriptor(fd)
      copies.push(made)
      return made
    }
    try {
      const start: LaneStart = {
        limits,
        encapsulations,
        features,
        underlayMtu,
        flowMemory,
        sequenceMemory,
        linkMemory,
        rateMemory,
        epoch,
        ring,
        isPaused,
        senders: senders.map(({ local, udp, gre, heedless }) => ({
          local: local.toString(),
          udp: udp.map(copy),
          gre: gre && copy(gre),
          heedless: { udp: copy(heedless.udp), gre: heedless.gre && copy(heedless.gre) },
        })),
        receivers: receivers.map(({ encapsulation, socket }) => ({ encapsulation, family: socket.family, fd: copy(socket) })),
      }
      const worker = new Worker(script, { workerData: start, execArgv: [...execArgv], name: 'heddle-lane' })
      worker.unref()
      const word = await firstWord(worker)
      return new Thread(worker, ring, word.wakeFd, options.failed, hear)
    } catch (cause) {
      for (const fd of copies) closeDescriptor(fd)
      throw new DataplaneError('dataplane.device', `a thread cannot begin: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
      })
    }
  }

  /** Tells where routes lie now, for the next command. */
  follow(moved: readonly MovedRoutes[]): void {
    if (!this.#isOver) this.#worker.postMessage(moved)
  }

  tell(command: Command): Promise<Uint8Array | undefined> {
    if (this.#isOver) return Promise.resolve(undefined)
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#worker.ref()
      this.#waiting.set(id, { resolve, reject })
      this.#writer.write(encodeCommand(id, command))
    })
  }

  async close(): Promise<void> {
    await this.tell({ type: 'close' })
    await this.#ended
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    // What nobody waits for keeps no process alive.
    if (this.#waiting.size === 0) this.#worker.unref()
    return waiting
  }
}

function firstWord(worker: Worker): Promise<Extract<Word, { type: 'ready' }>> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.on('message', function hear(word: Word) {
      if (word.type !== 'ready') return
      worker.off('message', hear)
      worker.off('error', reject)
      resolve(word)
    })
  })
}
