import type { Logger } from '@heddle/io'
import { LinuxError } from '@heddle/linux'
import type { NativeAttached, NativeObject } from '../native/binding.js'
import { callAsync } from '../native/call.js'
import type { EbpfAttachment } from '../probe.js'
import { takeAway } from './take-away.js'

export interface UplinkProgramOptions {
  readonly object: NativeObject
  /** Name of the uplink, for who reads the log. */
  readonly name: string
  /** Its index. */
  readonly uplink: number
  readonly netns: string | undefined
  readonly means: EbpfAttachment
  /** Path of its pin; nothing is pinned when left out. */
  readonly pin: string | undefined
  readonly logger: Logger
}

const PROGRAM = 'ingress'

/** How a program before this one is kept from hiding tunnels from it. */
const REMEDIES: Readonly<Record<'tcx' | 'clsact', string>> = {
  tcx: 'have it attached behind (BPF_F_AFTER), or restart this process, whose program comes first then',
  clsact: 'give a filter a preference above 49; by tcx (Linux 6.6) the program comes first when the process starts',
}

/**
 * The program on what comes in by the uplink. By tcx it comes before all programs that are there: one that ends the chain, with TC_ACT_OK for instance, hides from
 * those behind it what it lets through, and this one passes on whatever is no tunnel to the router.
 */
export class UplinkProgram {
  readonly #options: UplinkProgramOptions
  /** Numbers of the attachment, and of the program. */
  readonly #attachment: number
  readonly #id: number | undefined
  /** Who came before it when that was looked at last. */
  #before = ''

  private constructor(options: UplinkProgramOptions, attachment: number) {
    this.#options = options
    this.#attachment = attachment
    this.#id = options.object.programs().find(({ name }) => name === PROGRAM)?.id
  }

  /** @throws LinuxError */
  static async attach(options: UplinkProgramOptions): Promise<UplinkProgram> {
    const { object, uplink, netns, means, pin } = options
    const attachment = await callAsync(() =>
      object.attach({
        program: PROGRAM,
        ifindex: uplink,
        usesTcx: means === 'tcx',
        isFirst: true,
        ...(netns === undefined ? {} : { namespace: netns }),
        ...(pin === undefined ? {} : { pin }),
      }),
    )
    return new UplinkProgram(options, attachment)
  }

  /** Attaches it anew where somebody took it away, and tells of programs that came before it. @throws LinuxError */
  async look(): Promise<void> {
    const { object, name, logger } = this.#options
    if ((await callAsync(() => object.lost([this.#attachment]))).length > 0) {
      try {
        await callAsync(() => object.restore(this.#attachment, PROGRAM))
      } catch (error) {
        // The link is gone, of which who looks at links tells.
        if (error instanceof LinuxError && error.code === 'ENODEV') return
        throw error
      }
      logger.warn('Somebody took the program on the uplink away: it was attached anew', { uplink: name, program: PROGRAM })
    }
    await this.#lookAtOrder()
  }

  async #lookAtOrder(): Promise<void> {
    const { name, uplink, netns, means, logger } = this.#options
    const found = await callAsync((native) => native.programsFound(netns, uplink))
    const before = othersBefore(found, this.#id).map((other) => `${other.name === '' ? 'unknown' : other.name} by ${other.how}`)
    const isNews = before.join() !== this.#before
    this.#before = before.join()
    if (!isNews || before.length === 0) return
    logger.warn("Somebody's programs see what comes in by the uplink first: tunnels in what they do not pass on are not seen here", {
      uplink: name,
      before,
      remedy: REMEDIES[means === 'tcx' ? 'tcx' : 'clsact'],
    })
  }

  /** @throws LinuxError */
  async detach(): Promise<void> {
    await takeAway(() => this.#options.object.detach(this.#attachment))
  }
}

/** Programs of tc before that of a number. XDP is always before it, and where somebody has that, packets come by it as they do anywhere. */
function othersBefore(found: readonly NativeAttached[], id: number | undefined): NativeAttached[] {
  const own = found.findIndex((one) => one.id === id)
  return found.slice(0, Math.max(own, 0)).filter(({ how }) => !how.endsWith('xdp'))
}
