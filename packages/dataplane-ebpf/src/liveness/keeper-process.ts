import { LinuxError } from '@heddle/linux'
import { createHash } from 'node:crypto'
import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { NativeLock } from '../native/binding.js'
import { call } from '../native/call.js'
import { VERSION } from '../native/load.js'
import type { ConfigView } from '../tables/config.js'

/** What a keeper process is told to do, in the memory that it shares with the process of the tables. */
export const KEEPER_ORDER = {
  goOn: 0,
  /** End, and tell the far ends. */
  end: 1,
  /** End without a word: another one goes on with the sessions. */
  makeRoom: 2,
} as const

/** A VRF device: sockets are bound to that of an index, and hear nothing any more once it has gone, whatever is called so then. */
export interface VrfDevice {
  readonly name: string
  readonly index: number
}

/** Where a keeper works; goes to its process as JSON. */
export interface KeeperPlace {
  /** Directory of the pinned maps. */
  readonly pins: string
  readonly underlayNetns: string | undefined
  /** VRF device that the uplink is in. */
  readonly vrf: VrfDevice | undefined
  /** Underlay addresses that sessions have as `local`. */
  readonly addresses: readonly string[]
  /** Index of the uplink, which names the keeper: there is one. Packets of tunnels' sessions leave and come in by it alone. */
  readonly uplink: number
}

/**
 * A number of what a keeper is that cannot change while it lives: its software, its uplink, and what its sockets are bound to. One with another number is
 * succeeded, and ends by itself once another one has written its own: it may not have run while it was told to.
 */
export function keeperNumber({ vrf, addresses, uplink }: Omit<KeeperPlace, 'pins' | 'underlayNetns'>): number {
  const text = JSON.stringify([VERSION, vrf, addresses.toSorted(), uplink])
  return createHash('sha256').update(text).digest().readUInt32LE()
}

/** In place of a keeper's number: the last one was asked to end by a signal, as whoever ends the process of the tables as well may do. */
export const NO_KEEPER = 0

/** Script of a keeper process, and options of Node.js for it. */
export interface KeeperScript {
  readonly script: string
  readonly execArgv: readonly string[]
}

const OWN_SCRIPT: KeeperScript = { script: fileURLToPath(new URL('./keeper-main.js', import.meta.url)), execArgv: [] }
/** How often a keeper looks at the shared memory, milliseconds. */
export const KEEPER_LOOK = 50
/** How long a keeper may take to end, milliseconds: some 0.1 s, and seconds on a machine that has much else to do. */
const PATIENCE = 15_000
/** Characters of what a keeper that fails says last. */
const LAST_WORDS = 4096
/** How often a keeper tries to become the one, ten milliseconds apart. */
const ATTEMPTS = 20

/** The one keeper of an uplink: holds what is returned as long as it lives. Undefined while another process does. */
export function takeKeeperLock({ underlayNetns, uplink }: KeeperPlace): NativeLock | undefined {
  try {
    return call((native) => native.lockTake(underlayNetns, `liveness-${uplink}`))
  } catch (error) {
    if (error instanceof LinuxError && error.code === 'EADDRINUSE') return undefined
    throw error
  }
}

/** As `takeKeeperLock`, for a keeper: whoever only looks whether there is one has the lock for a moment. */
export async function claimKeeperLock(place: KeeperPlace): Promise<NativeLock | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const lock = takeKeeperLock(place)
    if (lock !== undefined) return lock
    await sleep(10)
  }
  return undefined
}

export function isKeeperAlive(place: KeeperPlace): boolean {
  const lock = takeKeeperLock(place)
  lock?.release()
  return lock === undefined
}

/** Starts a keeper in a session of its own. One too many finds the other and ends. @param failed told why one ended that was not to, or could not start */
export function startKeeper(
  place: KeeperPlace,
  { script, execArgv }: KeeperScript = OWN_SCRIPT,
  failed: (reason: string) => void = () => undefined,
): ChildProcess {
  const words = [...execArgv, script, JSON.stringify(place)]
  const child = spawn(process.execPath, words, { detached: true, stdio: ['ignore', 'ignore', 'pipe'], cwd: '/' })
  // There is none where descriptors have run out.
  const errors = child.stderr as Socket | undefined
  let said = ''
  errors?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-LAST_WORDS)))
  errors?.unref()
  child.on('error', ({ message }) => failed(message))
  child.on('close', (code, signal) => {
    if (signal !== null) failed(`it was ended by ${signal}`)
    else if (code !== 0) failed(`${lastWords(said)} (exit code ${code})`)
  })
  child.unref()
  return child
}

/** What a process of Node.js says that ends by an error, without the places in its sources. */
function lastWords(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '')
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? 'it said nothing'
}

/** Whether a keeper that this process has started has not ended yet: until it has its lock, nothing else tells. */
export function isRunning(child: ChildProcess | undefined): boolean {
  return child?.pid !== undefined && child.exitCode === null && child.signalCode === null
}

/** Waits until there is no keeper any more, nor `started`, which may not be one yet. Whether that came to pass. */
export async function keeperGone(place: KeeperPlace, started?: ChildProcess): Promise<boolean> {
  for (const end = performance.now() + PATIENCE; performance.now() < end;) {
    if (!isRunning(started) && !isKeeperAlive(place)) return true
    await sleep(10)
  }
  return false
}

/** Has a keeper make room, if there is one, for another that goes on with its sessions. Whether there is none any more. */
export async function dismissKeeper(place: KeeperPlace, config: ConfigView): Promise<boolean> {
  if (!isKeeperAlive(place)) return true
  config.set('keeper_order', KEEPER_ORDER.makeRoom)
  return keeperGone(place)
}
