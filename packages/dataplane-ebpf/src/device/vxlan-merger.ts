import type { Logger } from '@heddle/io'
import { LinuxError } from '@heddle/linux'
import { DROPPED_JOINED } from '../layout/structs/config.js'
import { callAsync } from '../native/call.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { takeAway } from './take-away.js'

const UNASKED = 'no VNI was programmed yet'
const HARM = 'a VRF sends some of them on by labels, which the kernel could not cut again'

export interface VxlanMergerOptions {
  readonly maps: KernelMaps
  readonly netns: string | undefined
  /** Index of the uplink, which makes the device's name this dataplane's own. */
  readonly uplink: number
  readonly logger: Logger
}

/**
 * A VXLAN device that carries nothing: while its socket is open, the kernel's GRO merges segments of TCP streams in VXLAN before programs see them, which it
 * does for no label. Without it they come one by one. Nothing comes out of it: what reaches its socket is dropped there, whatever the VNI.
 *
 * The kernel cannot cut a frame that it has merged once labels carry it. Where a VRF sends one on by labels, there is no device from then on: such frames are
 * lost until that is seen, and TCP sends them again.
 */
export class VxlanMerger {
  readonly #options: VxlanMergerOptions
  /** A dataplane before this one may have left one. */
  #device: 'unknown' | 'made' | 'gone' = 'unknown'
  /** Why they are not merged; empty when they are. */
  #reason = UNASKED

  constructor(options: VxlanMergerOptions) {
    this.#options = options
  }

  get isMerging(): boolean {
    return this.#device === 'made' && this.#reason === ''
  }

  /** Why they are merged, or not. */
  get because(): string {
    return this.isMerging ? 'a VXLAN device that carries nothing has the kernel do so' : this.#reason
  }

  /** Makes the device, unless it would do harm. Where the kernel refuses, because another socket has the port, say, it goes without. */
  async ensure(): Promise<void> {
    if (this.#device === 'made') return
    if (this.#hasDoneHarm) return this.#end()
    this.#device = 'made'
    try {
      await callAsync((native) => native.vxlanEnsure(this.#options.netns, this.#name))
      this.#reason = ''
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      this.#reason = error.message
      this.#options.logger.warn('Segments that come in by VXLAN are not merged', { reason: error.message })
    }
  }

  /** Takes the device away once it does harm. */
  async look(): Promise<void> {
    if (this.#device !== 'gone' && this.#hasDoneHarm) await this.#end()
  }

  async remove(): Promise<void> {
    await this.#remove(UNASKED)
  }

  async #end(): Promise<void> {
    if (this.#device === 'gone') {
      this.#reason = HARM
      return
    }
    await this.#remove(HARM)
    this.#options.logger.warn('Segments that come in by VXLAN are merged no more', { reason: HARM })
  }

  async #remove(reason: string): Promise<void> {
    await takeAway((native) => native.vxlanRemove(this.#options.netns, this.#name))
    this.#device = 'gone'
    this.#reason = reason
  }

  get #hasDoneHarm(): boolean {
    const { maps } = this.#options
    const value = maps.get('drops', DROPPED_JOINED)
    return value !== undefined && maps.sums(value, 1)[0] > 0
  }

  get #name(): string {
    return `hd${this.#options.uplink.toString(36)}vxlan`
  }
}
