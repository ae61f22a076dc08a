import type { Logger } from '@heddle/io'
import { LinuxError, type Netlink } from '@heddle/linux'
import { AVOIDED, DROPPED_JOINED, DROPPED_JOINED_LABELS } from '../layout/structs/config.js'
import { callAsync } from '../native/call.js'
import type { ConfigView } from '../tables/config.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { takeAway } from './take-away.js'

/** What the kernel can be had to merge, and when that does harm. */
export interface MergedSegments {
  /** As the subject of a sentence. */
  readonly what: string
  readonly device: string
  /** End of the device's name. */
  readonly end: 'vxlan' | 'joint'
  /** Why nobody asked for it. */
  readonly unasked: string
  /** Slot of `drops` that counts those that were lost because the kernel had merged them. */
  readonly lost: number
  /** What loses them. */
  readonly harm: string
  /** Bit of `avoided` by which programs know that what looks merged may be so; 0: they can tell. */
  readonly avoided: number
}

export const IN_VXLAN: MergedSegments = {
  what: 'segments that come in by VXLAN',
  device: 'a VXLAN device',
  end: 'vxlan',
  unasked: 'no VNI was programmed yet',
  lost: DROPPED_JOINED,
  harm: 'a VRF sends some of them on by labels, which the kernel could not cut again',
  avoided: 0,
}

export const BEHIND_JOINT_LABELS: MergedSegments = {
  what: 'segments that come in behind joint labels',
  device: 'a VXLAN-GPE device',
  end: 'joint',
  unasked: 'MPLS over UDP is not carried',
  lost: DROPPED_JOINED_LABELS,
  harm: 'some of them are sent on into another tunnel, or by the host, for which the kernel could not cut them again',
  avoided: AVOIDED.joined,
}

/** Where a device is. */
interface Place {
  readonly netns: string | undefined
  /** Index of the uplink, which makes the device's name this dataplane's own. */
  readonly uplink: number
}

export interface SegmentMergerOptions extends Place {
  /** Index of the VRF device that the uplink is in: what comes in by it is for sockets of that alone. */
  readonly vrf: number | undefined
  /** Whether this kernel finds those sockets when it merges. */
  readonly mergesInVrfs: boolean
  readonly merged: MergedSegments
  readonly maps: KernelMaps
  readonly config: ConfigView
  /** Of the router's namespace. */
  readonly netlink: Netlink
  readonly logger: Logger
}

/** What the names of devices begin with. */
const BEGINNING = 'hd'
const NOT_IN_VRFS = 'the uplink is in a VRF device, whose sockets Linux does not find before 6.5 when it merges'
const GONE = 'the device for it was taken down or away, by hand or by another router of this namespace'

/**
 * A device that carries nothing: while its socket is open, the kernel's GRO merges segments of TCP streams before programs see them. Without it they come one
 * by one. Nothing comes out of it: what reaches its socket is dropped there, whatever the VNI. Routers in one namespace share the socket, those whose uplinks are
 * in one VRF, or in none: what is merged for one of them is so for all.
 *
 * The kernel cannot cut a frame again that it has merged, once some other tunnels carry it. Where a VRF sends one on by such a tunnel, no router has a device
 * from then on: such frames are lost until that is seen, and TCP sends them again.
 */
export class SegmentMerger {
  readonly #options: SegmentMergerOptions
  /** One that the kernel has refused is not asked for with each transaction. */
  #isAsked = false
  /** Somebody wants it, and what the kernel refused was before it could be asked for. */
  #isDue = false
  /** Why they are not merged; empty when they are. */
  #reason: string

  constructor(options: SegmentMergerOptions) {
    this.#options = options
    this.#reason = options.merged.unasked
  }

  get isMerging(): boolean {
    return this.#reason === ''
  }

  /** Why they are merged, or not. */
  get because(): string {
    return this.isMerging ? `${this.#options.merged.device} that carries nothing has the kernel do so` : this.#reason
  }

  /** Makes the device, or takes over one that is as it would be made, unless it would do harm. Where the kernel refuses, because another socket has the port, say, it goes without. */
  async ensure(): Promise<void> {
    if (this.#isAsked) return
    this.#isDue = true
    if (this.#hasDoneHarm) return this.#end()
    const { netns, merged, uplink, vrf, mergesInVrfs } = this.#options
    this.#isAsked = true
    this.#isDue = false
    if (vrf !== undefined && !mergesInVrfs) {
      // One that another release has made there is of no use.
      await this.remove()
      this.#reason = NOT_IN_VRFS
      return
    }
    this.#tellPrograms(true)
    try {
      await callAsync((native) =>
        native.mergerEnsure(netns, this.#name, merged.end === 'joint', vrf === undefined ? undefined : { link: uplink, vrf }),
      )
      this.#reason = ''
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      this.#tellPrograms(false)
      this.#reason = error.message
      this.#warn('are not merged')
    }
  }

  /** Takes the device away once it does harm, and looks whether it is there, or due. @throws LinuxError where it stays, or cannot be asked */
  async look(): Promise<void> {
    if (this.#hasDoneHarm) return this.#end()
    if (this.#isDue) return this.ensure()
    if (!this.isMerging || (await this.#isUp())) return
    this.#tellPrograms(false)
    this.#reason = GONE
    this.#warn('are merged no more')
  }

  /** @throws LinuxError when it stays */
  async remove(): Promise<void> {
    await removeMerger(this.#options.merged, this.#options)
    this.#tellPrograms(false)
    this.#reason = this.#options.merged.unasked
  }

  /** Those of other routers as well, made meanwhile or before: as long as one of them is there, merging goes on. In other VRFs too, where one may send on what is lost here. */
  async #end(): Promise<void> {
    const { netns, merged } = this.#options
    await takeAway((native) => native.mergersRemove(netns, BEGINNING, merged.end))
    this.#tellPrograms(false)
    this.#isAsked = false
    this.#isDue = false
    if (this.#reason === merged.harm) return
    this.#reason = merged.harm
    this.#warn('are merged no more')
  }

  /** That frames which look merged may be so: before there are any, and until there are none. */
  #tellPrograms(mayBe: boolean): void {
    const { config, merged } = this.#options
    const others = config.get('avoided') & ~merged.avoided
    config.set('avoided', mayBe ? others | merged.avoided : others)
  }

  async #isUp(): Promise<boolean> {
    try {
      return (await this.#options.netlink.links.get(this.#name)).up
    } catch (error) {
      if (!(error instanceof LinuxError) || error.code !== 'ENODEV') throw error
      return false
    }
  }

  #warn(fact: string): void {
    const { what } = this.#options.merged
    this.#options.logger.warn(`${what[0].toUpperCase()}${what.slice(1)} ${fact}`, { reason: this.#reason })
  }

  get #hasDoneHarm(): boolean {
    const { maps, merged } = this.#options
    const value = maps.get('drops', merged.lost)
    return value !== undefined && maps.sums(value, 1)[0] > 0
  }

  get #name(): string {
    return nameOf(this.#options.merged, this.#options.uplink)
  }
}

/** Takes away what an uplink has of both kinds. @throws LinuxError when one stays */
export async function removeMergers(place: Place): Promise<void> {
  for (const merged of [IN_VXLAN, BEHIND_JOINT_LABELS]) await removeMerger(merged, place)
}

/** What the devices of both kinds are called. @param uplink index of the uplink */
export function mergerNames(uplink: number): string[] {
  return [IN_VXLAN, BEHIND_JOINT_LABELS].map((merged) => nameOf(merged, uplink))
}

/** Whether a link is named as devices for segments in VXLAN are, whichever router's. */
export function isVxlanMerger(name: string): boolean {
  return name.startsWith(BEGINNING) && name.endsWith(IN_VXLAN.end)
}

async function removeMerger(merged: MergedSegments, { netns, uplink }: Place): Promise<void> {
  await takeAway((native) => native.mergerRemove(netns, nameOf(merged, uplink)))
}

function nameOf({ end }: MergedSegments, uplink: number): string {
  return `${BEGINNING}${uplink.toString(36)}${end}`
}
