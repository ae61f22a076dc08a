import { LinuxError } from '@heddle/linux'
import { rmSync } from 'node:fs'
import type { NativeObject } from '../native/binding.js'
import { callAsync } from '../native/call.js'

export interface FilterPlace {
  /** Name of a program that may stand in for the one that is there. */
  readonly program: string
  readonly ifindex: number
  readonly netns: string | undefined
  /** Where a directory says that the qdisc was made for the filter. */
  readonly pin: string
}

/**
 * Ends a filter of clsact that a dataplane before this one has left, the qdisc that was made for it, and what is pinned there. It is well when the link is
 * gone.
 *
 * @throws LinuxError
 */
export async function endFilter(object: NativeObject, { program, ifindex, netns, pin }: FilterPlace): Promise<void> {
  const place = { program, ifindex, usesTcx: false, pin, ...(netns === undefined ? {} : { namespace: netns }) }
  try {
    const filter = await callAsync(() => object.attach(place))
    await callAsync(() => object.detach(filter))
  } catch (error) {
    if (!(error instanceof LinuxError) || error.code !== 'ENODEV') throw error
    rmSync(pin, { force: true, recursive: true })
  }
}
