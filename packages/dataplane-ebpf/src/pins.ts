import { existsSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { LAYOUT_VERSION } from './layout/structs/config.js'
import { call } from './native/call.js'

/** Says that the file system was mounted by a dataplane, which then takes it away too. A BPF file system has no files but pins, hence a directory. */
const MOUNTED = 'mounted-by-heddle'

/** Where pins go, and how what was made for them is taken back. */
export interface PreparedPins {
  readonly pins: string
  /** Whether there were none of this layout. */
  readonly isNew: boolean
  readonly undo: () => void
}

/**
 * Makes the directory that pins go to, on a BPF file system: the one that `directory` lies on, or one mounted there. What a dataplane of another layout
 * has left is taken away.
 *
 * @throws LinuxError when none can be mounted
 */
export function preparePins(directory: string): PreparedPins {
  const isMounted = call((native) => native.bpffsEnsure(directory))
  if (isMounted) mkdirSync(join(directory, MOUNTED), { mode: 0o700 })
  const current = `layout-${LAYOUT_VERSION}`
  for (const name of readdirSync(directory)) if (name.startsWith('layout-') && name !== current) removeFolder(join(directory, name))
  const pins = pinsOf(directory)
  // Pins that were there belong to a dataplane that may still forward.
  const isNew = mkdirSync(pins, { recursive: true, mode: 0o700 }) !== undefined
  const undo = (): void => {
    if (isMounted) removePins(directory)
    else if (isNew) removeFolder(pins)
  }
  return { pins, isNew, undo }
}

/** Where the pins of this layout are. */
export function pinsOf(directory: string): string {
  return join(directory, `layout-${LAYOUT_VERSION}`)
}

/** Takes all pins away, and the file system if a dataplane has mounted it. */
export function removePins(directory: string): void {
  for (const name of readdirSync(directory)) if (name.startsWith('layout-')) removeFolder(join(directory, name))
  if (!existsSync(join(directory, MOUNTED))) return
  rmdirSync(join(directory, MOUNTED))
  call((native) => native.bpffsRelease(directory))
}

function removeFolder(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    // A directory marks a qdisc that was made for a filter.
    if (entry.isDirectory()) rmdirSync(path)
    else unlinkSync(path)
  }
  rmdirSync(folder)
}
