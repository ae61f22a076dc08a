import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, unlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { LAYOUT_VERSION } from './layout/structs/config.js'
import { call } from './native/call.js'

/** Says that the file system was mounted by a dataplane, which then takes it away too. A BPF file system has no files but pins, hence a directory. */
export const MOUNTED = 'mounted-by-heddle'

/** The pin of the map `config`. */
const CONFIG_PIN = 'config'

/** Begins the names of what belongs to a port's device, whose number follows. */
const LINK = 'link-'

/** Names of pins of the uplink and of devices, and of what a move leaves beside them that breaks off. */
const OF_LINKS = /^(?:next-)?(?:uplink|link-\d+|uplink-xdp)$/

/** Begins the name of a directory that says by its number which network namespace the links of programs are in. */
const NAMESPACE = 'netns-'

/** Where pins go, and how what was made for them is taken back. */
export interface PreparedPins {
  readonly pins: string
  /** Whether there were none of this layout. */
  readonly isNew: boolean
  /** What dataplanes of other layouts have left. */
  readonly older: readonly OlderPins[]
  /** Takes that away. */
  readonly takeAwayOlder: () => void
  readonly undo: () => void
}

/** Pins of another layout. */
export interface OlderPins {
  readonly name: string
  readonly folder: string
  /** The ports that had a device. */
  readonly ports: readonly number[]
}

/**
 * Makes a place for pins in a directory that is locked.
 *
 * @param isMounted whether its file system was mounted for them
 */
export function preparePins(directory: string, isMounted: boolean): PreparedPins {
  const pins = pinsOf(directory)
  const older = readdirSync(directory)
    .filter((name) => name.startsWith('layout-') && name !== basename(pins))
    .map((name) => ({ name, folder: join(directory, name), ports: portsIn(join(directory, name)) }))
  // Pins that were there belong to a dataplane that may still forward.
  const isNew = mkdirSync(pins, { recursive: true, mode: 0o700 }) !== undefined
  const undo = (): void => {
    if (isMounted) removePins(directory)
    else if (isNew) removeFolder(pins)
  }
  const takeAwayOlder = (): void => {
    for (const { folder } of older) removeFolder(folder)
  }
  return { pins, isNew, older, takeAwayOlder, undo }
}

/**
 * Has a directory for pins, on a BPF file system: the one that `directory` lies on, or one mounted there; whether it was mounted.
 *
 * @throws LinuxError when none can be mounted
 */
export function ensureFileSystem(directory: string): boolean {
  return call((native) => native.bpffsEnsure(directory, MOUNTED))
}

/** Whether the links of pinned programs are in another network namespace than that of this number. */
export function areElsewhere(pins: string, namespace: number): boolean {
  const marks = namespacesIn(pins)
  return marks.length > 0 && !marks.includes(`${NAMESPACE}${namespace}`)
}

/** Takes away what is pinned of links; what was made of them by other means stays. */
export function forgetLinks(pins: string): void {
  for (const name of readdirSync(pins)) if (OF_LINKS.test(name)) rmSync(join(pins, name), { recursive: true })
}

/** Says in which network namespace links are from now on. */
export function markNamespace(pins: string, namespace: number): void {
  const mark = `${NAMESPACE}${namespace}`
  for (const name of namespacesIn(pins)) if (name !== mark) rmdirSync(join(pins, name))
  mkdirSync(join(pins, mark), { recursive: true })
}

function namespacesIn(pins: string): string[] {
  return readdirSync(pins).filter((name) => name.startsWith(NAMESPACE))
}

/** Where the pins of this layout are. */
export function pinsOf(directory: string): string {
  return join(directory, `layout-${LAYOUT_VERSION}`)
}

/** Takes all pins away, and the file system if a dataplane has mounted it. */
export function removePins(directory: string): void {
  for (const name of readdirSync(directory)) if (name.startsWith('layout-')) removeFolder(join(directory, name))
  // The mark goes with the file system, and not before it: a process may end in between.
  if (existsSync(join(directory, MOUNTED))) call((native) => native.bpffsRelease(directory))
}

function removeFolder(folder: string): void {
  const markers = new Set(markersIn(folder))
  // Last what says of what generation the others are: a process may end in between, and whoever comes next is to know that there is something.
  const names = readdirSync(folder).sort((a, b) => Number(a === CONFIG_PIN) - Number(b === CONFIG_PIN))
  for (const name of names) {
    const path = join(folder, name)
    if (markers.has(name)) rmdirSync(path)
    else unlinkSync(path)
  }
  rmdirSync(folder)
}

function portsIn(folder: string): number[] {
  return readdirSync(folder).flatMap((name) => (name.startsWith(LINK) ? [Number(name.slice(LINK.length))] : []))
}

/** Directories among pins: each marks a qdisc that was made for a filter. */
function markersIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
}
