import type { Logger } from '@heddle/io'
import { LinuxError, type Link, type Netlink } from '@heddle/linux'
import { existsSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { View } from '../layout/struct.js'
import { AVOIDED } from '../layout/structs/config.js'
import { LABEL } from '../layout/structs/objects.js'
import { call, callAsync } from '../native/call.js'
import { lackOf, type EbpfFeatureName } from '../probe.js'
import type { ConfigView } from '../tables/config.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { takeAway } from './take-away.js'
import type { EbpfXdp } from './xdp.js'

export interface TransitOptions {
  readonly maps: KernelMaps
  readonly config: ConfigView
  readonly netlink: Netlink
  readonly netns: string | undefined
  /** Index of the uplink, which stays when its name changes. */
  readonly uplink: number
  /** Families of the underlay. */
  readonly families: readonly (4 | 6)[]
  readonly pins: string | undefined
  /** What was asked for; undefined: where there is a use and no harm. */
  readonly wanted: EbpfXdp | undefined
  /** Features to do without although the kernel may have them. */
  readonly without: readonly EbpfFeatureName[]
  readonly logger: Logger
}

/** Name of the pin. */
export const TRANSIT_PIN = 'uplink-xdp'
const PROGRAM = 'across'
/** Kind of links that have a driver of the machine's own. */
const HARDWARE = ''
/** Of `enum label_action`. */
const LABEL_SWAP = 2
/** What is sent back by a veth rests in the ring of its far end, until something else comes. */
const AVOID_XDP_TX = AVOIDED['xdp-tx']
/** A program of somebody else is there; it may go. */
const TAKEN: readonly string[] = ['EBUSY', 'EEXIST']
/** Settings of ethtool by which a device leaves tags of 802.1Q and 802.1ad in frames. */
const TAGS_STAY = 'rxvlan off rx-vlan-stag-hw-parse off'
/** Nothing that the driver said. */
const PASSING: readonly string[] = ['EINTR', 'EAGAIN', 'ENODEV']

/**
 * The program of XDP on the uplink (`bpf/across.bpf.c`), which sends on what comes out of one tunnel and goes into another before the kernel makes a packet of
 * it. What it does, the program of tc behind it does as well, only slower: where XDP is not to be had, or does harm, there is none.
 */
export class Transit {
  readonly #options: TransitOptions
  #attachment: number | undefined
  /** A program goes on that a pin holds which cannot be removed. */
  #isLeft = false
  #isTransit: boolean
  /** Why there is none; empty when there is. */
  #reason = 'nothing was tried yet'
  /** That the device may be reset was told of, and no program has gone since. */
  #hasWarned = false
  /** MTU of the link when its driver refused, and would again. */
  #refusedAt: number | undefined

  constructor(options: TransitOptions) {
    this.#options = options
    const labels = options.wanted === undefined ? [...options.maps.entries('labels')] : []
    this.#isTransit = labels.some(([, value]) => new View(LABEL, value).get('action') === LABEL_SWAP)
  }

  /** Whether a program of a dataplane is there, be it one that could not be taken away. */
  get isAttached(): boolean {
    return this.#attachment !== undefined || this.#isLeft
  }

  /** Why packets are sent on as they are. */
  get because(): string {
    return this.#attachment !== undefined ? 'the driver runs the program before the kernel makes packets of frames' : this.#reason
  }

  /** From now on labels are swapped here: what comes in by the uplink goes out by it. @throws LinuxError where the uplink cannot be asked */
  async swaps(): Promise<void> {
    if (this.#isTransit) return
    this.#isTransit = true
    await this.look()
  }

  /**
   * Attaches the program once there is nothing against it, and anew where somebody took it away; one that is attached stays, unless its device begins to hide tags
   * from it.
   *
   * @throws LinuxError where the uplink cannot be asked
   */
  async look(): Promise<void> {
    const attachment = this.#attachment
    if (attachment === undefined) return this.#attachIfWell()
    if ((await callAsync(() => this.#options.maps.object.lost([attachment]))).length > 0) return this.#attachAnew()
    const hidden = await this.#whyTagsAreHidden(await this.#link())
    if (hidden === '') return
    await this.detach()
    this.#goWithout(hidden)
  }

  /** As if there had been none: what is in its place now may be somebody else's. */
  async #attachAnew(): Promise<void> {
    const { name } = await this.#link()
    await this.detach()
    await this.#attachIfWell()
    const now = this.#attachment === undefined ? 'packets go from tunnel to tunnel by tc' : 'it was attached anew'
    this.#options.logger.warn(`Somebody took the program of XDP on the uplink away: ${now}`, { uplink: name, because: this.because })
  }

  async #attachIfWell(): Promise<void> {
    const never = this.#whatIsAlwaysAgainst()
    if (never !== '') return this.#goWithout(never)
    const link = await this.#link()
    const against = await this.#whatIsAgainst(link)
    if (against === '') return this.#attach(link)
    // The driver is asked again once that has gone, which may be what it refused for.
    this.#refusedAt = undefined
    this.#goWithout(against)
  }

  async #attach({ name, kind, mtu }: Link): Promise<void> {
    if (mtu === this.#refusedAt) return
    if (kind === HARDWARE) this.#warnOfReset(name)
    const { maps, config, netns, uplink } = this.#options
    const others = config.get('avoided') & ~AVOID_XDP_TX
    config.set('avoided', kind === 'veth' ? others | AVOID_XDP_TX : others)
    try {
      this.#attachment = await callAsync(() =>
        maps.object.attach({
          program: PROGRAM,
          ifindex: uplink,
          usesTcx: false,
          isXdp: true,
          ...(netns === undefined ? {} : { namespace: netns }),
          ...(this.#pin === undefined ? {} : { pin: this.#pin }),
        }),
      )
      this.#reason = ''
      this.#refusedAt = undefined
      this.#isLeft = false
      // Its far end cannot be asked: it may be in any namespace.
      if (kind === 'veth')
        this.#options.logger.warn('XDP on a veth: what its far end does not take is lost, and counted as sent', {
          uplink: name,
          remedy: 'at the far end: ethtool -K LINK gro on tx off txvlan off tx-vlan-stag-hw-insert off',
        })
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      const isTaken = TAKEN.includes(error.code)
      if (!isTaken && !PASSING.includes(error.code)) this.#refusedAt = mtu
      this.#goWithout(isTaken ? `another program has XDP on ${name}, and goes on (${error.message})` : error.message)
    }
  }

  /** A driver makes room for the first program in its queues, of which many make all anew: a program in place of another one costs nothing. */
  #warnOfReset(uplink: string): void {
    if (this.#hasWarned || (this.#pin !== undefined && existsSync(this.#pin))) return
    this.#hasWarned = true
    this.#options.logger.warn('XDP comes to a device, whose driver may reset it for that, and once more when XDP goes', {
      uplink,
      effect: 'what the device carries is lost meanwhile, with some drivers for seconds',
      remedy: '`xdp: off`',
    })
  }

  async detach(): Promise<void> {
    const attachment = this.#attachment
    if (attachment !== undefined) await takeAway(() => this.#options.maps.object.detach(attachment))
    this.#attachment = undefined
    this.#hasWarned = false
  }

  #link(): Promise<Link> {
    return this.#options.netlink.links.get(this.#options.uplink)
  }

  get #pin(): string | undefined {
    const { pins } = this.#options
    return pins === undefined ? undefined : join(pins, TRANSIT_PIN)
  }

  /** Reasons not to attach, whatever the link is; empty when there is none. */
  #whatIsAlwaysAgainst(): string {
    if (this.#options.wanted === 'off') return 'it was asked for by `xdp: off`'
    return lackOf('xdp', this.#options.without)
  }

  /** Reasons not to attach; empty when there is none. What the host could change about its device is asked for last. */
  async #whatIsAgainst(link: Link): Promise<string> {
    if (this.#options.wanted !== 'native') {
      if (!this.#isTransit) return 'no label is swapped here: `xdp: native` is for routers that send on by their VRFs only'
      if (link.kind === 'veth') return `${link.name} is a veth, whose far end would have to cut and sum frames: \`xdp: native\` overrules`
      const without = this.#forwardsNothing(link.name)
      if (without !== '') return without
    }
    return this.#whyTagsAreHidden(link)
  }

  /** Why tags of frames lie, or may lie, beside them; empty when they do not. A device of veth cannot tell: they do where its far end leaves them there. */
  async #whyTagsAreHidden({ name, kind }: Link): Promise<string> {
    if (kind === 'veth') return ''
    // Its program runs at its members, whose settings are not its own.
    if (kind === 'bond') return `${name} is a bond, whose members may take tags of VLANs out of frames, so that XDP would not see them`
    if (!(await callAsync((native) => native.deviceTakesTags(this.#options.netns, name)))) return ''
    return `${name} takes tags of VLANs out of frames, so that XDP would not see them (ethtool -K ${name} ${TAGS_STAY})`
  }

  /** The kernel tells programs its routes only where the host forwards what comes in. */
  #forwardsNothing(uplink: string): string {
    const { netns, families } = this.#options
    const forwarding = call((native) => native.deviceForwarding(netns, uplink))
    if (families.some((family) => forwarding.includes(family))) return ''
    return `the host does not forward what comes in by ${uplink} (net.ipv${families[0]}.conf.${uplink}.forwarding)`
  }

  #goWithout(reason: string): void {
    const { wanted, logger } = this.#options
    const pin = this.#unpin()
    const told = pin === undefined ? reason : `${reason}; ${pin.why}`
    const isNews = told !== this.#reason
    this.#reason = told
    this.#isLeft = pin?.isHeld === true
    if (!isNews) return
    const effect = 'a program that it holds goes on'
    if (pin !== undefined) logger.warn('The pin of XDP on the uplink cannot be removed', { pin: this.#pin, effect, cause: pin.cause })
    if (wanted === 'native' && !this.#isLeft) logger.warn('Packets go from tunnel to tunnel by tc, and not by XDP', { reason: told })
  }

  /** Takes away the pin that a dataplane before this one has left, whose program would go on; undefined when it is gone. */
  #unpin(): { readonly why: string; readonly cause: string; readonly isHeld: boolean } | undefined {
    if (this.#pin === undefined || !existsSync(this.#pin)) return undefined
    try {
      unlinkSync(this.#pin)
      return undefined
    } catch (error) {
      const { netns, uplink } = this.#options
      const cause = error instanceof Error ? error.message : String(error)
      // Without CAP_SYS_ADMIN the kernel tells no names, and who has the pin is believed to have the program.
      const isHeld = call((native) => native.programsOn(netns, uplink)).some(
        ({ name, how }) => how === 'xdp' && [PROGRAM, ''].includes(name),
      )
      const effect = isHeld ? ', and the program that it holds goes on until it is' : ''
      return { why: `its pin ${this.#pin} cannot be removed (${cause})${effect}`, cause, isHeld }
    }
  }
}
