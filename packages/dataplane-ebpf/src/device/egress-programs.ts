import { LinuxError, type Link } from '@heddle/linux'
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { callAsync } from '../native/call.js'
import type { NativeObject } from '../native/binding.js'
import type { EbpfAttachment } from '../probe.js'
import { takeAway } from './take-away.js'

export interface EgressProgramsOptions {
  readonly object: NativeObject
  /** Path of the router's namespace. */
  readonly netns: string | undefined
  /** How programs are attached to new veth devices. */
  readonly means: EbpfAttachment
  /** Whether tcx is there for those that stay. */
  readonly hasTcx: boolean
  /** Directory of pins; nothing is pinned when left out. */
  readonly pins: string | undefined
}

export const PROGRAM = 'egress'

/** Egress programs at the router's ends of devices, each by a number of the native part and by a pin of its port. */
export class EgressPrograms {
  readonly #options: EgressProgramsOptions

  constructor(options: EgressProgramsOptions) {
    this.#options = options
  }

  /** How the program of a new device is attached. */
  meansOf({ kind }: Link): EbpfAttachment {
    return kind === 'netkit' ? 'netkit' : this.#options.means
  }

  /**
   * How the program of a device is attached that was taken over: where the dataplane before this one has moved one to tcx, there it stays, as another program
   * takes its place there in one step.
   */
  meansBefore(port: number, host: Link): EbpfAttachment {
    const means = this.meansOf(host)
    return means !== 'netkit' && this.#isMoved(port) ? 'tcx' : means
  }

  #isMoved(port: number): boolean {
    const pin = this.#pin(port)
    return this.#options.hasTcx && pin !== undefined && statSync(pin, { throwIfNoEntry: false })?.isFile() === true
  }

  /** A number to detach by. @throws LinuxError */
  attach(port: number, { index }: Link, means: EbpfAttachment): Promise<number> {
    const { object, netns } = this.#options
    const pin = this.#pin(port)
    return callAsync(() =>
      object.attach({
        program: PROGRAM,
        ifindex: index,
        usesTcx: means === 'tcx',
        isNetkit: means === 'netkit',
        ...(netns === undefined ? {} : { namespace: netns }),
        ...(pin === undefined ? {} : { pin }),
      }),
    )
  }

  /** Moves a program from its filter to tcx. @throws LinuxError */
  async moveToTcx(attachment: number): Promise<void> {
    await callAsync(() => this.#options.object.moveToTcx(attachment, PROGRAM))
  }

  /** Those of the numbers whose programs somebody took away. @throws LinuxError */
  async lost(attachments: readonly number[]): Promise<readonly number[]> {
    return attachments.length === 0 ? [] : callAsync(() => this.#options.object.lost([...attachments]))
  }

  /** Attaches a program anew that somebody took away. @throws LinuxError */
  async restore(attachment: number): Promise<void> {
    await callAsync(() => this.#options.object.restore(attachment, PROGRAM))
  }

  /** @throws LinuxError when it stays */
  async detach(attachment: number): Promise<void> {
    await takeAway(() => this.#options.object.detach(attachment))
  }

  /** As `detach`, of a device that is gone: what the kernel refuses is its pin, which the next program is refused for, or takes. */
  async lose(attachment: number): Promise<void> {
    try {
      await callAsync(() => this.#options.object.detach(attachment))
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
    }
  }

  /** Takes away what a dataplane before this one has left of a program: a directory marks a qdisc, which has gone with its link. */
  unpin(port: number): void {
    const { pins } = this.#options
    if (pins === undefined) return
    for (const name of [linkPin(port), nextPin(port)]) rmSync(join(pins, name), { force: true, recursive: true })
  }

  #pin(port: number): string | undefined {
    const { pins } = this.#options
    return pins === undefined ? undefined : join(pins, linkPin(port))
  }
}

export function linkPin(port: number): string {
  return `link-${port}`
}

/** Name of what a move to tcx leaves that breaks off; see `native/core/src/link.rs`. */
function nextPin(port: number): string {
  return `next-${linkPin(port)}`
}
