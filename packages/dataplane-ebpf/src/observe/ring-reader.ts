import { Poller, READINESS, type Watch } from '@heddle/linux'
import type { NativeRing } from '../native/binding.js'
import { call } from '../native/call.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { wordAt } from '../layout/word.js'
import { epochOf, sampleEpoch } from './epoch.js'

/** Octets of records that are taken in one go: the event loop does nothing else until they are handed out. */
const BATCH = 64 * 1024
/** What a record has before its octets in a ring, where each begins at a multiple of it. */
const HEADER = 8

/**
 * Reads a ring that programs write to, as long as somebody wants what is in it. Programs on other CPUs may write faster than it can be read, for as long as whoever
 * sends packets likes: some is taken at a time, and everything else of the event loop has its turn between.
 */
export class RingReader {
  #epoch: number | undefined
  #reading: { readonly ring: NativeRing; readonly poller: Poller } | undefined

  /**
   * @param ring name of its map @param take gets each record, whose octets are the caller's only during the call, and what its time is from (`timeOf`)
   */
  constructor(
    private readonly maps: KernelMaps,
    private readonly ring: string,
    private readonly take: (record: Uint8Array, epoch: number) => void,
  ) {}

  /** Begins to read, unless it does so already. @throws LinuxError */
  open(): void {
    if (this.#reading !== undefined) return
    const ring = call(() => this.maps.object.ring(this.ring))
    const poller = Poller.open()
    try {
      poller.unref()
      const watch: Watch = poller.watch(ring.fd, READINESS.readable, () => {
        this.#takeSome()
        // Ready again at once where there is more.
        watch.rearm()
      })
    } catch (error) {
      poller.close()
      throw error
    }
    this.#reading = { ring, poller }
  }

  /** Takes what lies there when it is called: of what comes meanwhile no more than makes up a ring. */
  drain(): void {
    let left = this.maps.capacity(this.ring)
    while (left > 0) {
      const taken = this.#takeSome()
      if (taken === 0) return
      left -= taken
    }
  }

  /** Returns how much of the ring it has made free, octets. */
  #takeSome(): number {
    const batch = this.#reading?.ring.read(BATCH) ?? new Uint8Array(0)
    if (batch.length === 0) return 0
    // Clocks are set while the process runs, at every start of a machine for instance.
    const epoch = (this.#epoch = epochOf(sampleEpoch(), this.#epoch))
    let freed = 0
    for (let at = 0; at < batch.length;) {
      const length = wordAt(batch, at)
      this.take(batch.subarray(at + 4, at + 4 + length), epoch)
      at += 4 + length
      freed += Math.ceil((length + HEADER) / HEADER) * HEADER
    }
    return freed
  }

  close(): void {
    this.#reading?.poller.close()
    this.#reading = undefined
  }
}
