import type { Logger } from '@heddle/io'
import { LinuxError } from '@heddle/linux'
import { callAsync } from '../native/call.js'
import { takeAway } from './take-away.js'

export interface VxlanMergerOptions {
  readonly netns: string | undefined
  /** Index of the uplink, which makes the device's name this dataplane's own. */
  readonly uplink: number
  readonly logger: Logger
}

/**
 * A VXLAN device that carries nothing: while its socket is open, the kernel's GRO merges segments of TCP streams in VXLAN before programs see them, which it
 * does for no label. Without it they come one by one. Nothing comes out of it: what reaches its socket is dropped there, whatever the VNI.
 */
export class VxlanMerger {
  readonly #options: VxlanMergerOptions
  #isThere = false

  constructor(options: VxlanMergerOptions) {
    this.#options = options
  }

  /** Makes the device. Where the kernel refuses, because another socket has the port, say, it goes without. */
  async ensure(): Promise<void> {
    if (this.#isThere) return
    this.#isThere = true
    try {
      await callAsync((native) => native.vxlanEnsure(this.#options.netns, this.#name))
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      this.#options.logger.warn('Segments that come in by VXLAN are not merged', { reason: error.message })
    }
  }

  async remove(): Promise<void> {
    this.#isThere = false
    await takeAway((native) => native.vxlanRemove(this.#options.netns, this.#name))
  }

  get #name(): string {
    return `hd${this.#options.uplink.toString(36)}vxlan`
  }
}
