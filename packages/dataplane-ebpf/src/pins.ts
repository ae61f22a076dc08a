import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { LAYOUT_VERSION } from './layout/structs/config.js'
import { call } from './native/call.js'

/** Says that the file system was mounted by a dataplane, which then takes it away too. A BPF file system has no files but pins, hence a directory. */
export const MOUNTED = 'mounted-by-heddle'

/** The pin of the map `config`. */
const CONFIG_PIN = 'config'

/** Begins the names of what belongs to a port's device, whose number follows. */
const LINK = 'link-'

/** Begins the name of a directory that says by its number which network namespace the links of programs are in. */
const NAMESPACE = 'netns-'

/** Ends the name of the place of new pins where those of another namespace have theirs yet. */
const NEXT = '-next'

/** Where pins go, and how what was made for them is taken back. */
export interface PreparedPins {
  readonly pins: string
  /** Where maps are pinned first. */
  readonly folder: string
  /** Whether there were none of this layout and namespace. */
  readonly isNew: boolean
  /** What dataplanes of other layouts have left, or of this one in another network namespace. */
  readonly older: readonly OlderPins[]
  /** Takes that away, and has `folder` in the place of `pins`. */
  readonly takeAwayOlder: () => void
  readonly undo: () => void
}

/** Pins that are not taken over. */
export interface OlderPins {
  readonly name: string
  readonly folder: string
  /** The ports that had a device. */
  readonly ports: readonly number[]
  readonly isOfThisLayout: boolean
  /** Whether the links of their programs are in another network namespace. */
  readonly isElsewhere: boolean
}

/**
 * Makes a place for pins in a directory that is locked.
 *
 * @param isMounted whether its file system was mounted for them @param namespace number of the network namespace that links are in
 */
export function preparePins(directory: string, isMounted: boolean, namespace: number): PreparedPins {
  const pins = pinsOf(directory)
  const next = `${pins}${NEXT}`
  // Of a process that ended before it attached anything.
  if (existsSync(next)) removeFolder(next)
  const isTaken = existsSync(pins) && areElsewhere(pins, namespace)
  const folder = isTaken ? next : pins
  const older = readdirSync(directory)
    .filter((name) => name.startsWith('layout-') && (isTaken || name !== basename(pins)))
    .map((name) => olderPins(directory, name, namespace))
  // Pins that were there belong to a dataplane that may still forward.
  const isNew = mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined
  const undo = (): void => {
    if (isMounted) removePins(directory)
    else if (isNew) removeFolder(existsSync(folder) ? folder : pins)
  }
  const takeAwayOlder = (): void => {
    for (const { folder } of older) removeFolder(folder)
    if (isTaken) renameSync(folder, pins)
  }
  return { pins, folder, isNew, older, takeAwayOlder, undo }
}

function olderPins(directory: string, name: string, namespace: number): OlderPins {
  const folder = join(directory, name)
  return {
    name,
    folder,
    ports: portsIn(folder),
    isOfThisLayout: folder === pinsOf(directory),
    isElsewhere: areElsewhere(folder, namespace),
  }
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

/** Says in which network namespace links are from now on. */
export function markNamespace(pins: string, namespace: number): void {
  const mark = `${NAMESPACE}${namespace}`
  for (const name of namespacesIn(pins)) if (name !== mark) rmdirSync(join(pins, name))
  mkdirSync(join(pins, mark), { recursive: true })
}

/** Numbers of the network namespaces that links of pins are in: one, or none where a release before this one made them. */
export function namespaceNumbersIn(pins: string): number[] {
  return namespacesIn(pins).map((name) => Number(name.slice(NAMESPACE.length)))
}

function namespacesIn(pins: string): string[] {
  return readdirSync(pins).filter((name) => name.startsWith(NAMESPACE))
}

/** Where the pins of this layout are. */
export function pinsOf(directory: string): string {
  return join(directory, `layout-${LAYOUT_VERSION}`)
}

/** Folders of pins, of whichever layout. */
export function foldersIn(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => (name.startsWith('layout-') ? [join(directory, name)] : []))
}

/** Whether the file system that a directory lies on was mounted by a dataplane. */
export function isMountedFor(directory: string): boolean {
  return existsSync(join(directory, MOUNTED))
}

/** Takes all pins away, and the file system if a dataplane has mounted it. */
export function removePins(directory: string): void {
  for (const folder of foldersIn(directory)) removeFolder(folder)
  // The mark goes with the file system, and not before it: a process may end in between.
  if (isMountedFor(directory)) call((native) => native.bpffsRelease(directory))
}

function removeFolder(folder: string): void {
  const markers = new Set(markersIn(folder))
  // Last what says of what generation the others are, and whose: a process may end in between, and whoever comes next is to know that there is something.
  const names = readdirSync(folder).sort((a, b) => lateness(a) - lateness(b))
  for (const name of names) {
    const path = join(folder, name)
    if (markers.has(name)) rmdirSync(path)
    else unlinkSync(path)
  }
  rmdirSync(folder)
}

function lateness(name: string): number {
  return name.startsWith(NAMESPACE) ? 2 : Number(name === CONFIG_PIN)
}

/** The ports whose devices pins, or marks, are of. */
export function portsIn(folder: string): number[] {
  return readdirSync(folder).flatMap((name) => (name.startsWith(LINK) ? [Number(name.slice(LINK.length))] : []))
}

/** Directories among pins: each marks a qdisc that was made for a filter. */
function markersIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
}
