import type { Logger } from '@heddle/io'
import { LinuxError, type Netlink } from '@heddle/linux'
import { join } from 'node:path'
import { allOf } from './all-of.js'
import { endFilter, hasFilter } from './device/end-filter.js'
import { hostNamesOf } from './device/ports.js'
import { removeMergers } from './device/segment-merger.js'
import { View } from './layout/struct.js'
import { CONFIG } from './layout/structs/config.js'
import { takeFreeUplinkLock } from './locks.js'
import type { NativeObject } from './native/binding.js'
import { call } from './native/call.js'
import type { OlderPins, PreparedPins } from './pins.js'
import { wordBytes } from './tables/kernel-maps.js'

export interface OlderOptions {
  readonly prepared: PreparedPins
  readonly object: NativeObject
  readonly netlink: Netlink
  readonly netns: string | undefined
  /** Index of the uplink. */
  readonly uplink: number
  readonly logger: Logger
}

/**
 * Ends what a dataplane of another layout has left, whose tables nobody can read any more: filters of clsact, which go on without a pin, and then pins, with
 * them programs by tcx and netkit. What names the filters goes last, so that an attempt that breaks off is taken up by the next. The devices stay, for
 * whoever asks for them; but for those of another uplink, which have names that nobody asks for.
 *
 * @throws LinuxError
 */
export async function takeAwayOlder(options: OlderOptions): Promise<void> {
  const { prepared, netns, uplink, logger } = options
  const { older } = prepared
  if (older.length === 0) return
  for (const pins of older) {
    const before = uplinkOf(pins) ?? uplink
    if (before === uplink) {
      await endFilters(options, pins, uplink)
      continue
    }
    const lock = await takeFreeUplinkLock(netns, before)
    // What another dataplane has by now, which came to that uplink, is left.
    if (lock === undefined) continue
    try {
      await removeMergers({ netns, uplink: before })
      await endFilters(options, pins, before)
      await deleteUnclaimed(options.netlink, before)
    } finally {
      lock.release()
    }
  }
  prepared.takeAwayOlder()
  logger.warn('Tables of another layout were taken away: nothing is forwarded until they are programmed anew', {
    found: older.map(({ name }) => name),
    remedy: 'drain a node before such a release',
  })
}

/** Index of the uplink that pins of any layout were of; undefined where none was attached to, or none can be read. */
function uplinkOf({ folder }: OlderPins): number | undefined {
  try {
    const object = call((native) => native.objectOpen(folder, ['config']))
    const value = object.lookup('config', wordBytes(0))
    object.close()
    const uplink = value === null ? 0 : new View(CONFIG, value).get('uplink')
    return uplink === 0 ? undefined : uplink
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error
    return undefined
  }
}

/** Ends the filters that pins name, of an uplink and of the devices of its ports. */
async function endFilters({ object, netlink, netns }: OlderOptions, { folder, ports }: OlderPins, uplink: number): Promise<void> {
  const links = new Map((await netlink.links.list()).map((link) => [link.name, link]))
  // The mark of a qdisc may be that of an uplink that nobody knows, and somebody else's filters be here.
  if (hasFilter(netns, uplink)) await endFilter(object, { program: 'ingress', ifindex: uplink, netns, pin: join(folder, 'uplink') })
  for (const port of ports) {
    const link = hostNamesOf(uplink, port)
      .map((name) => links.get(name))
      .find((found) => found?.kind === 'veth')
    if (link === undefined) continue
    await endFilter(object, { program: 'egress', ifindex: link.index, netns, pin: join(folder, `link-${port}`) })
  }
}

/**
 * Deletes the devices of an uplink's ports that a dataplane before this one has left and nobody has asked for, once those that somebody has asked for have
 * given up their names.
 *
 * @param claimed indexes of those that somebody has asked for, and that have their names yet
 * @throws LinuxError
 */
export async function deleteUnclaimed(netlink: Netlink, uplink: number, claimed: ReadonlySet<number> = new Set()): Promise<void> {
  const links = await netlink.links.list()
  const indexes = new Set(links.map(({ index }) => index))
  const unclaimed = links.filter(({ name, kind, index }) => {
    const uplinks = uplinksIn(name)
    // Either end of a former name may have a `p` in it: what may as well be another uplink's is left.
    const isOurs = uplinks.includes(uplink) && uplinks.every((other) => other === uplink || !indexes.has(other))
    return isOurs && !claimed.has(index) && (kind === 'veth' || kind === 'netkit')
  })
  await allOf(
    unclaimed.map(
      ({ index }) =>
        () =>
          deleteIfThere(netlink, index),
    ),
  )
}

/** Indexes of the uplinks that a port's device of that name may be of; see `hostNamesOf`. */
function uplinksIn(name: string): number[] {
  return Array.from(name.matchAll(/(?<=^hd([0-9a-z]+))[-p](?=[0-9a-z]+$)/g), ([, uplink]) => Number.parseInt(uplink, 36))
}

/** It may go meanwhile, with the namespace of its endpoint. */
async function deleteIfThere(netlink: Netlink, index: number): Promise<void> {
  try {
    await netlink.links.delete(index)
  } catch (error) {
    if (!(error instanceof LinuxError) || error.code !== 'ENODEV') throw error
  }
}
