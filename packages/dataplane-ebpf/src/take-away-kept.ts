import type { Logger } from '@heddle/io'
import { LinuxError, Netlink, NetworkNamespace, type Link } from '@heddle/linux'
import { existsSync } from 'node:fs'
import { allOf } from './all-of.js'
import { hostNamesOf, isDevice } from './device/written-devices.js'
import { removeMergers } from './device/segment-merger.js'
import { View } from './layout/struct.js'
import { LINK } from './layout/structs/objects.js'
import { KEEPER_ORDER, keeperGone } from './liveness/keeper-process.js'
import { isTaken, takePinsLock } from './locks.js'
import type { NativeLock } from './native/binding.js'
import { call } from './native/call.js'
import { deleteIfThere, deleteUnclaimed } from './older-layout.js'
import { areElsewhere, pinsOf, removePins } from './pins.js'
import { configOf } from './tables/config.js'
import { KernelMaps } from './tables/kernel-maps.js'
import { VERSIONS } from './tables/versioned-map.js'

/** What a dataplane was that was lost, and has left what it had pinned. */
export interface LostDataplane {
  readonly pinDirectory: string
  readonly netns: string | undefined
  /** Index of its uplink, which is gone: no dataplane after it has the same. */
  readonly uplink: number
  readonly logger: Logger
}

/** Maps by which what a dataplane has is known, and its keeper is told. */
export const HELD_BY: readonly string[] = ['config', 'links', VERSIONS.links, 'numbers']

/**
 * Takes away what a dataplane has left that was lost: its keeper of BFD sessions, its devices, and its pins. What another one has taken over since is that
 * one's, and stays.
 *
 * @throws LinuxError
 */
export async function takeAwayKept(lost: LostDataplane): Promise<void> {
  const { pinDirectory, uplink } = lost
  const pins = pinsOf(pinDirectory)
  if (!existsSync(pins)) return
  const lock = await lockFreePins(pinDirectory)
  if (lock === undefined) return
  try {
    const object = call((native) => native.objectOpen(pins, [...HELD_BY]))
    try {
      const maps = new KernelMaps(object)
      const config = configOf(maps)
      if (config.get('uplink') !== uplink) return
      config.set('keeper_order', KEEPER_ORDER.end)
      const inNamespace = isNamespaceThere(lost) ? [() => awaitKeeper(lost), () => removeDevices(lost, maps)] : []
      await allOf([...inNamespace, () => removePins(pinDirectory)])
    } finally {
      object.close()
    }
  } finally {
    lock.release()
  }
}

/** Undefined while another dataplane has its pins there. */
async function lockFreePins(directory: string): Promise<NativeLock | undefined> {
  try {
    return await takePinsLock(directory)
  } catch (error) {
    if (!isTaken(error)) throw error
    return undefined
  }
}

/** Devices go with their namespace, and a keeper ends once pins are gone; another namespace may be at its path by now. */
function isNamespaceThere({ pinDirectory, netns }: LostDataplane): boolean {
  try {
    return !areElsewhere(pinsOf(pinDirectory), NetworkNamespace.identity(netns))
  } catch (error) {
    if (!(error instanceof LinuxError) || error.code !== 'ENOENT') throw error
    return false
  }
}

async function awaitKeeper({ pinDirectory, netns, uplink, logger }: LostDataplane): Promise<void> {
  const place = { pins: pinsOf(pinDirectory), underlayNetns: netns, vrf: undefined, addresses: [], uplink }
  if (!(await keeperGone(place))) logger.warn('The keeper of BFD sessions does not end')
}

async function removeDevices({ netns, uplink }: LostDataplane, maps: KernelMaps): Promise<void> {
  using netlink = await Netlink.open(netns)
  const ours = heldAmong(await netlink.links.list(), maps, uplink)
  await allOf([
    ...ours.map(
      ({ index }) =>
        () =>
          deleteIfThere(netlink, index),
    ),
    () => deleteUnclaimed(netlink, uplink),
    () => removeMergers({ netns, uplink }),
  ])
}

/** The devices of ports, as maps of this layout have them. @param links all that there are @param uplink index of the uplink */
export function heldAmong(links: readonly Link[], maps: KernelMaps, uplink: number): Link[] {
  const byIndex = new Map(links.map((link) => [link.index, link]))
  return Array.from(maps.numbered('links')).flatMap(([port, value]) => {
    const view = new View(LINK, value)
    const link = byIndex.get(view.get('ifindex'))
    return link !== undefined && isDevice(link, hostNamesOf(uplink, port), view) ? [link] : []
  })
}
