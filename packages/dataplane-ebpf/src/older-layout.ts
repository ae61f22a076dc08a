import type { Logger } from '@heddle/io'
import { LinuxError, type Link, type Netlink } from '@heddle/linux'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { allOf } from './all-of.js'
import { endFilter, hasFilter, hasProgram } from './device/end-filter.js'
import { hostNamesOf } from './device/written-devices.js'
import { removeMergers } from './device/segment-merger.js'
import { View } from './layout/struct.js'
import { CONFIG } from './layout/structs/config.js'
import { KEEPER_ORDER } from './liveness/keeper-process.js'
import { takeFreeUplinkLock } from './locks.js'
import type { NativeMap, NativeObject } from './native/binding.js'
import { call } from './native/call.js'
import type { OlderPins, PreparedPins } from './pins.js'
import { configOf } from './tables/config.js'
import { KernelMaps } from './tables/kernel-maps.js'
import { wordAt, wordBytes } from './layout/word.js'

export interface OlderOptions {
  readonly prepared: PreparedPins
  readonly netlink: Netlink
  readonly netns: string | undefined
  /** Index of the uplink. */
  readonly uplink: number
  readonly logger: Logger
}

/** Maps without whose elements programs know no device, no port's link, and no tunnel to the router. */
const KNOWN_BY = ['devices', 'links', 'locals']

/**
 * Ends what a dataplane of another layout has left, whose tables nobody can read any more: filters of clsact, which go on without a pin, and then pins, with
 * them programs by tcx and netkit. What names the filters goes last, so that an attempt that breaks off is taken up by the next. The devices stay, down, for
 * whoever asks for them; but for those of another uplink, which have names that nobody asks for.
 *
 * What is in another network namespace cannot be ended from here, whatever its layout: it stays, with tables of its own that it finds nothing in.
 *
 * @throws LinuxError
 */
export async function takeAwayOlder(options: OlderOptions): Promise<void> {
  const { prepared, netns, uplink, logger } = options
  const { older } = prepared
  if (older.length === 0) return
  for (const pins of older) {
    if (pins.isElsewhere) {
      forsake(pins)
      continue
    }
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
      const devices = devicesOf(pins)
      await endFilters(options, pins, before, devices)
      // Another dataplane may have come to that uplink which has no process just now.
      await deleteUnclaimed(options.netlink, before, ({ index }) => !devices.has(index))
    } finally {
      lock.release()
    }
  }
  prepared.takeAwayOlder()
  const [elsewhere, here] = [true, false].map((isElsewhere) => older.filter((pins) => pins.isElsewhere === isElsewhere))
  if (here.length > 0)
    logger.warn('Tables of another layout were taken away: nothing is forwarded until they are programmed anew', {
      found: here.map(({ name }) => name),
      remedy: 'drain a node before such a release',
    })
  if (elsewhere.length > 0)
    logger.warn('Tables of another network namespace were taken away: nothing is forwarded until they are programmed anew', {
      found: elsewhere.map(({ name }) => name),
      effect: 'its devices are left as they are',
      remedy: 'close the dataplane before it changes its namespace',
    })
}

/**
 * Has programs that go on by tables know nothing: links have the same numbers in each namespace. Its keeper of BFD sessions, which cannot be looked for from
 * here, ends when it comes to look.
 */
export function forsake({ folder, isOfThisLayout }: Pick<OlderPins, 'folder' | 'isOfThisLayout'>): void {
  reading(folder, KNOWN_BY, (object, [map]) => {
    for (const key of keysOf(object, map)) object.remove(map.name, key)
  })
  // Where the words of another layout are nobody knows.
  if (!isOfThisLayout) return
  reading(folder, ['config'], (object) => {
    const maps = new KernelMaps(object)
    configOf(maps).set('keeper_order', KEEPER_ORDER.end)
    maps.forgetDecisions()
  })
}

/** Index of the uplink that pins of any layout were of; undefined where none was attached to, or none can be read. */
export function uplinkOf({ folder }: Pick<OlderPins, 'folder'>): number | undefined {
  try {
    let uplink = 0
    reading(folder, ['config'], (object) => {
      const value = object.lookup('config', wordBytes(0))
      if (value !== null) uplink = new View(CONFIG, value).get('uplink')
    })
    return uplink === 0 ? undefined : uplink
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error
    return undefined
  }
}

/** Indexes of the devices that pins of any layout were of. */
export function devicesOf({ folder }: Pick<OlderPins, 'folder'>): ReadonlySet<number> {
  const devices = new Set<number>()
  reading(folder, ['devices'], (object, [map]) => {
    for (const key of keysOf(object, map)) devices.add(wordAt(key))
  })
  return devices
}

function keysOf(object: NativeObject, { name, keySize, valueSize }: NativeMap): Uint8Array[] {
  const octets = object.entries(name)
  const width = keySize + valueSize
  return Array.from({ length: octets.length / width }, (_, at) => octets.subarray(at * width, at * width + keySize))
}

/** Works with those of some maps that are pinned in a folder, each by itself: others may be gone already. */
function reading(folder: string, names: readonly string[], work: (object: NativeObject, maps: NativeMap[]) => void): void {
  for (const name of names) {
    if (!existsSync(join(folder, name))) continue
    const object = call((native) => native.objectOpen(folder, [name]))
    try {
      call(() => work(object, object.maps()))
    } finally {
      object.close()
    }
  }
}

/** Ends the filters that pins name, of an uplink and of the devices of its ports. @param devices indexes of the only ones that may be */
async function endFilters(
  { netlink, netns }: OlderOptions,
  { folder, ports }: OlderPins,
  uplink: number,
  devices?: ReadonlySet<number>,
): Promise<void> {
  const links = new Map((await netlink.links.list()).map((link) => [link.name, link]))
  // The mark of a qdisc may be that of an uplink that nobody knows, and somebody else's filters be here.
  if (hasFilter(netns, uplink)) await endFilter({ ifindex: uplink, netns, pin: join(folder, 'uplink') })
  for (const port of ports) {
    const link = hostNamesOf(uplink, port)
      .map((name) => links.get(name))
      .find((found) => found?.kind === 'veth')
    if (link === undefined || devices?.has(link.index) === false) continue
    await setDown(netlink, link.index)
    await endFilter({ ifindex: link.index, netns, pin: join(folder, `link-${port}`) })
  }
}

/**
 * Sets devices of an uplink's ports down whose programs are gone, as those by tcx are that nobody has pinned, or only in a container that has gone: what their endpoints send would be the host's
 * until somebody asks for them.
 *
 * @param isClaimed whether somebody has asked for one, whose program is there
 * @throws LinuxError
 */
export async function setBareDown(
  { netlink, netns, uplink }: Pick<OlderOptions, 'netlink' | 'netns' | 'uplink'>,
  isClaimed: (link: Link) => boolean,
): Promise<void> {
  for (const { index, up } of unclaimedAmong(await netlink.links.list(), uplink, isClaimed)) {
    if (up && !hasProgram(netns, index)) await setDown(netlink, index)
  }
}

/** What the endpoint of a device without program sends is the host's. It may go meanwhile, with the namespace of its endpoint. @throws LinuxError */
async function setDown(netlink: Netlink, index: number): Promise<void> {
  try {
    await netlink.links.change(index, { up: false })
  } catch (error) {
    if (!(error instanceof LinuxError) || error.code !== 'ENODEV') throw error
  }
}

/**
 * Deletes the devices of an uplink's ports that a dataplane before this one has left and nobody has asked for, once those that somebody has asked for have
 * given up their names.
 *
 * @param isClaimed whether somebody has asked for one, and it has its name yet
 * @throws LinuxError
 */
export async function deleteUnclaimed(netlink: Netlink, uplink: number, isClaimed = (_link: Link): boolean => false): Promise<void> {
  const unclaimed = unclaimedAmong(await netlink.links.list(), uplink, isClaimed)
  await allOf(
    unclaimed.map(
      ({ index }) =>
        () =>
          deleteIfThere(netlink, index),
    ),
  )
}

/** The devices that `deleteUnclaimed` deletes. @param links all that there are */
export function unclaimedAmong(links: readonly Link[], uplink: number, isClaimed: (link: Link) => boolean): Link[] {
  const indexes = new Set(links.map(({ index }) => index))
  return links.filter((link) => {
    const uplinks = uplinksIn(link.name)
    // Either end of a former name may have a `p` in it: what may as well be another uplink's is left.
    const isOurs = uplinks.includes(uplink) && uplinks.every((other) => other === uplink || !indexes.has(other))
    return isOurs && isPair(link) && !isClaimed(link)
  })
}

/** Whether a link is what the device of a port is, of whichever uplink. */
export function isPortDevice(link: Link): boolean {
  return isPair(link) && uplinksIn(link.name).length > 0
}

function isPair({ kind }: Link): boolean {
  return kind === 'veth' || kind === 'netkit'
}

/** Indexes of the uplinks that a port's device of that name may be of; see `hostNamesOf`. */
function uplinksIn(name: string): number[] {
  return Array.from(name.matchAll(/(?<=^hd([0-9a-z]+))[-p](?=[0-9a-z]+$)/g), ([, uplink]) => Number.parseInt(uplink, 36))
}

/** It may go meanwhile, with the namespace of its endpoint. */
export async function deleteIfThere(netlink: Netlink, index: number): Promise<void> {
  try {
    await netlink.links.delete(index)
  } catch (error) {
    if (!(error instanceof LinuxError) || error.code !== 'ENODEV') throw error
  }
}
