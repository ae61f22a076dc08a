import { DataplaneError } from '@heddle/core'
import { LinkReaper, LinuxError, Netlink, NetworkNamespace, type Link } from '@heddle/linux'
import { existsSync, statfsSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { allOf } from './all-of.js'
import { endFilter, hasFilter, hasProgram } from './device/end-filter.js'
import { hostNamesOf } from './device/written-devices.js'
import { mergerNames, removeMergers } from './device/segment-merger.js'
import { TRANSIT_PIN } from './device/transit.js'
import { findNamespace, type FoundNamespace } from './find-namespace.js'
import { isKeeperAlive, keeperGone, type KeeperPlace } from './liveness/keeper-process.js'
import { holderOfPins, holderOfUplink } from './lock-holder.js'
import { busy, isTaken, takeFreeUplinkLock, takePinsLock } from './locks.js'
import type { NativeLock } from './native/binding.js'
import { call } from './native/call.js'
import { devicesOf, forsake, isPortDevice, unclaimedAmong, uplinkOf } from './older-layout.js'
import { foldersIn, isMountedFor, namespaceNumbersIn, pinsOf, portsIn, removePins } from './pins.js'
import { checkPrivileges, refusalOf } from './privileges.js'
import { heldAmong, HELD_BY } from './take-away-kept.js'
import { KernelMaps } from './tables/kernel-maps.js'

/** Where a dataplane has left something. */
export interface RemoveDataplaneOptions {
  /** Directory of its pins, absolute. */
  readonly pinDirectory: string
  /** Path of the network namespace that its uplink is in; looked for by the number that stands in its pins when left out. */
  readonly underlayNetns?: string
  /** Only look what there is. */
  readonly isDryRun?: boolean
}

/** Something that a dataplane has left in the kernel, or beside it. */
export interface EbpfLeftover {
  /** `keeper`: the process that keeps sessions of BFD. `filter`: a program of clsact. `program`: one that a pin holds. `mount`: the file system of pins. */
  readonly kind: 'keeper' | 'filter' | 'program' | 'device' | 'pins' | 'mount'
  /** Name of a device; of the others the link that they are on, or their path. */
  readonly name: string
  /** Path of its network namespace; left out where that is the one of this process, or it is in none. */
  readonly netns?: string
}

/** What was taken away. */
export interface EbpfRemoval {
  readonly pinDirectory: string
  /** All of it; or with `isDryRun` what would be. */
  readonly removed: readonly EbpfLeftover[]
  /** What may be there yet, and why, in sentences. */
  readonly left: readonly string[]
}

/** `BPF_FS_MAGIC` */
const BPF_FILE_SYSTEM = 0xcafe_4a11

/** Pins of programs on the uplink. */
const UPLINK_PINS = ['uplink', 'next-uplink', TRANSIT_PIN]

/** It went by itself, or with its namespace. */
const GONE: readonly string[] = ['ENODEV', 'ENOENT']

/** An uplink, whose lock is held. */
interface Place {
  readonly netns: string | undefined
  /** Its index. */
  readonly uplink: number
  readonly links: readonly Link[]
}

/** Pins of one layout. */
interface Pins {
  readonly folder: string
  readonly isOfThisLayout: boolean
}

/** What there is, and how it is taken away; pins, and what only they hold, behind it. */
interface Step {
  readonly leftovers: readonly EbpfLeftover[]
  readonly take?: (() => unknown) | undefined
}

/**
 * Takes away what a dataplane has left that no process goes on with, as `close()` would have: pins of whichever layout, the programs that they hold, filters,
 * devices, the process that keeps sessions of BFD, and the file system of the pins where a dataplane has mounted it. Without pins nothing is found, and nothing is
 * done; one that broke off is taken up by the next. What another dataplane has by now, which came to the uplink with other pins, is left.
 *
 * Needs what `ebpfDataplane` needs.
 *
 * @throws DataplaneError `dataplane.busy` while a process has the pins, naming it where that can be found; `dataplane.permission`; `dataplane.device` when the
 * kernel refuses: then pins stay, by which it can be tried again
 */
export async function removeDataplane(options: RemoveDataplaneOptions): Promise<EbpfRemoval> {
  const { pinDirectory } = options
  if (!isAbsolute(pinDirectory)) throw new DataplaneError('dataplane.device', `pinDirectory ${pinDirectory}: an absolute path is needed`)
  if (process.platform === 'linux') checkPrivileges()
  if (!hasPins(pinDirectory)) return { pinDirectory, removed: [], left: [] }
  const removal = new Removal(options)
  try {
    const lock = await takePinsLock(pinDirectory)
    try {
      return await removal.run()
    } finally {
      removal.close()
      lock.release()
    }
  } catch (cause) {
    if (isTaken(cause)) throw busy(`its pins in ${pinDirectory}${holderOfPins(pinDirectory)}`, cause)
    if (!(cause instanceof LinuxError)) throw cause
    const code = cause.code === 'EPERM' ? 'dataplane.permission' : 'dataplane.device'
    throw new DataplaneError(code, `what is pinned in ${pinDirectory} cannot be taken away: ${refusalOf(cause)}`, { cause })
  }
}

/** On no BPF file system there are none. */
function hasPins(directory: string): boolean {
  if (!existsSync(directory) || statfsSync(directory).type !== BPF_FILE_SYSTEM) return false
  return foldersIn(directory).length > 0 || isMountedFor(directory)
}

class Removal {
  readonly #options: RemoveDataplaneOptions
  readonly #locks: NativeLock[] = []
  /** By namespace and uplink: pins of several layouts may be of one. */
  readonly #places = new Map<string, Place | undefined>()
  readonly #keepers: KeeperPlace[] = []
  readonly #left: string[] = []

  constructor(options: RemoveDataplaneOptions) {
    this.#options = options
  }

  async run(): Promise<EbpfRemoval> {
    const { pinDirectory, isDryRun = false } = this.#options
    const folders = foldersIn(pinDirectory)
    const steps: Step[] = []
    for (const folder of folders) steps.push(...(await this.#stepsOf({ folder, isOfThisLayout: folder === pinsOf(pinDirectory) })))
    const pins = folders.map((name): EbpfLeftover => ({ kind: 'pins', name }))
    const mount: EbpfLeftover[] = isMountedFor(pinDirectory) ? [{ kind: 'mount', name: pinDirectory }] : []
    const removed = withoutTwins([...steps.flatMap(({ leftovers }) => leftovers), ...pins, ...mount])
    if (!isDryRun) {
      await allOf(
        steps.map(
          ({ take }) =>
            () =>
              take?.(),
        ),
      )
      removePins(pinDirectory)
      for (const keeper of this.#keepers) await this.#awaitEnd(keeper)
    }
    return { pinDirectory, removed, left: this.#left }
  }

  close(): void {
    for (const lock of this.#locks) lock.release()
  }

  async #stepsOf(pins: Pins): Promise<Step[]> {
    const namespace = await this.#namespaceOf(pins)
    if (namespace === undefined) {
      this.#left.push(`${pins.folder} is of a network namespace that is not found: what is in it stays, if it is there yet`)
      return [{ leftovers: [], take: () => forsake(pins) }]
    }
    const { path: netns } = namespace
    const uplink = uplinkOf(pins)
    if (uplink === undefined) return []
    const place = await this.#placeOf(netns, uplink)
    if (place === undefined) return []
    return [this.#keeperOf(pins, place), filterOf(pins, place), programsOf(pins, place), mergersOf(place), devicesLeft(pins, place)]
  }

  async #namespaceOf({ folder }: Pins): Promise<FoundNamespace | undefined> {
    const { underlayNetns } = this.#options
    const numbers = namespaceNumbersIn(folder)
    if (numbers.length === 0 || (underlayNetns !== undefined && numbers.includes(NetworkNamespace.identity(underlayNetns))))
      return { path: underlayNetns }
    for (const number of numbers) {
      const found = await findNamespace(number)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Undefined while another dataplane has the uplink. */
  async #placeOf(netns: string | undefined, uplink: number): Promise<Place | undefined> {
    const key = `${netns} ${uplink}`
    if (!this.#places.has(key)) this.#places.set(key, await this.#claim(netns, uplink))
    return this.#places.get(key)
  }

  async #claim(netns: string | undefined, uplink: number): Promise<Place | undefined> {
    const lock = await takeFreeUplinkLock(netns, uplink)
    if (lock === undefined) {
      this.#left.push(`another dataplane has the uplink, and with it its devices${holderOfUplink(netns, uplink)}`)
      return undefined
    }
    this.#locks.push(lock)
    using netlink = await Netlink.open(netns)
    return { netns, uplink, links: await netlink.links.list() }
  }

  /** It ends once its pins are gone, of whichever layout, and tells far ends that nothing happened to their paths. */
  #keeperOf(pins: Pins, { netns, uplink, links }: Place): Step {
    const keeper = { pins: pins.folder, underlayNetns: netns, vrf: undefined, addresses: [], uplink }
    if (!isKeeperAlive(keeper)) return { leftovers: [] }
    this.#keepers.push(keeper)
    return { leftovers: [{ kind: 'keeper', name: nameOf(links, uplink), ...inside(netns) }] }
  }

  async #awaitEnd(keeper: KeeperPlace): Promise<void> {
    if (!(await keeperGone(keeper))) this.#left.push('the keeper of BFD sessions does not end: its process may be stopped')
  }
}

function filterOf({ folder }: Pins, { netns, uplink, links }: Place): Step {
  if (!hasFilter(netns, uplink)) return { leftovers: [] }
  return {
    leftovers: [{ kind: 'filter', name: nameOf(links, uplink), ...inside(netns) }],
    take: () => endFilter({ ifindex: uplink, netns, pin: join(folder, 'uplink') }),
  }
}

/** Those of the uplink: they go with their pins, and those of devices with them. */
function programsOf({ folder }: Pins, { netns, uplink, links }: Place): Step {
  const isPinned = (name: string): boolean => statSync(join(folder, name), { throwIfNoEntry: false })?.isFile() === true
  const programs = UPLINK_PINS.filter(isPinned).map((): EbpfLeftover => ({
    kind: 'program',
    name: nameOf(links, uplink),
    ...inside(netns),
  }))
  return { leftovers: programs }
}

function mergersOf({ netns, uplink, links }: Place): Step {
  const names = mergerNames(uplink)
  return {
    leftovers: deviceRows(
      links.filter(({ name }) => names.includes(name)),
      netns,
    ),
    take: () => removeMergers({ netns, uplink }),
  }
}

/** Devices of endpoints: those that were written down, and those whose process ended before it did so. */
function devicesLeft(pins: Pins, { netns, uplink, links }: Place): Step {
  const { folder } = pins
  const indexes = devicesOf(pins)
  const held = pins.isOfThisLayout ? withMaps(folder, HELD_BY, (maps) => heldAmong(links, maps, uplink)) : undefined
  const known = held ?? links.filter((link) => indexes.has(link.index) && isPortDevice(link))
  const names = new Set(portsIn(folder).flatMap((port) => hostNamesOf(uplink, port)))
  // Another dataplane may have come to the uplink with other pins which has no process just now.
  const isOthers = ({ index, name }: Link): boolean => !indexes.has(index) && !names.has(name) && hasProgram(netns, index)
  const devices = [...new Set([...known, ...unclaimedAmong(links, uplink, isOthers)])]
  return { leftovers: deviceRows(devices, netns), take: () => deleteAll(netns, devices) }
}

/** The ends of endpoints go with them. */
async function deleteAll(netns: string | undefined, devices: readonly Link[]): Promise<void> {
  const reaper = new LinkReaper()
  await allOf([
    ...devices.map(
      ({ index }) =>
        () =>
          bury(reaper, netns, index),
    ),
    () => reaper.reap(),
    // What the process that ended had on its way.
    () => LinkReaper.sweep(netns),
  ])
}

async function bury(reaper: LinkReaper, netns: string | undefined, index: number): Promise<void> {
  try {
    // Down: pins end its program, whether or not the kernel has deleted it by then.
    await reaper.bury(netns, index, [], true)
  } catch (error) {
    if (!(error instanceof LinuxError) || !GONE.includes(error.code)) throw error
  }
}

/** Works with maps that are pinned; undefined where some are gone, as behind a removal that broke off. */
function withMaps<T>(folder: string, names: readonly string[], work: (maps: KernelMaps) => T): T | undefined {
  if (!names.every((name) => existsSync(join(folder, name)))) return undefined
  const object = call((native) => native.objectOpen(folder, [...names]))
  try {
    return work(new KernelMaps(object))
  } finally {
    object.close()
  }
}

function deviceRows(links: readonly Link[], netns: string | undefined): EbpfLeftover[] {
  return links.map(({ name }) => ({ kind: 'device', name, ...inside(netns) }))
}

/** What a link is called; by its number where it has gone. */
function nameOf(links: readonly Link[], wanted: number): string {
  return links.find(({ index }) => index === wanted)?.name ?? `link ${wanted}`
}

function inside(netns: string | undefined): { readonly netns?: string } {
  return netns === undefined ? {} : { netns }
}

/** Pins of several layouts may tell of one thing. */
function withoutTwins(leftovers: readonly EbpfLeftover[]): EbpfLeftover[] {
  return [...new Map(leftovers.map((each) => [JSON.stringify(each), each])).values()]
}
