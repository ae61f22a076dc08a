import { Poller, READINESS, type Watch } from '@heddle/linux'
import type { NativeRing } from '../native/binding.js'
import { call } from '../native/call.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { wordAt } from '../layout/word.js'
import { epochOf, sampleEpoch } from './epoch.js'

/** Octets of records that are taken in one go. */
const BATCH = 256 * 1024

/** Reads a ring that programs write to, as long as somebody wants what is in it. */
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
        this.drain()
        watch.rearm()
      })
    } catch (error) {
      poller.close()
      throw error
    }
    this.#reading = { ring, poller }
  }

  /** Takes what is there. */
  drain(): void {
    for (;;) {
      const batch = this.#reading?.ring.read(BATCH) ?? new Uint8Array(0)
      if (batch.length === 0) return
      // Clocks are set while the process runs, at every start of a machine for instance.
      const epoch = (this.#epoch = epochOf(sampleEpoch(), this.#epoch))
      for (let at = 0; at < batch.length;) {
        const length = wordAt(batch, at)
        this.take(batch.subarray(at + 4, at + 4 + length), epoch)
        at += 4 + length
      }
    }
  }

  close(): void {
    this.#reading?.poller.close()
    this.#reading = undefined
  }
}
