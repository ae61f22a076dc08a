import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { call } from './native/call.js'

/** Characters of a command that are shown. */
const SHOWN = 200

/** Numbers of processes that have a lock, as far as this one may look: that of others is hidden from who has no privilege, and in another PID namespace. */
type Found = readonly number[]

/** Whoever has the lock of an uplink, for the end of a sentence; empty where nobody is found. @param uplink its index */
export function holderOfUplink(netns: string | undefined, uplink: number): string {
  return told(() => {
    const socket = call((native) => native.lockSocket(netns, `uplink-${uplink}`))
    return socket === null ? [] : processesWith(`socket:[${socket}]`)
  })
}

/** As `holderOfUplink`, of a directory of pins. */
export function holderOfPins(directory: string): string {
  return told(() => {
    const { dev, ino } = statSync(directory, { bigint: true })
    const device = [(dev >> 8n) & 0xfffn, (dev & 0xffn) | ((dev >> 12n) & 0xfff00n)].map((part) => part.toString(16).padStart(2, '0'))
    const wanted = `${device.join(':')}:${ino}`
    // `1: FLOCK  ADVISORY  WRITE 4711 00:2f:12 0 EOF` (proc_locks(5)); who waits for it has an arrow.
    const locks = readFileSync('/proc/locks', 'utf8').split('\n')
    return locks.flatMap((line) => {
      const [, kind, , , pid, place] = line.split(/ +/)
      return kind === 'FLOCK' && place === wanted && Number(pid) > 0 ? [Number(pid)] : []
    })
  })
}

function told(find: () => Found): string {
  let found: Found = []
  try {
    found = find()
  } catch {
    // What cannot be looked at names nobody; the error that it is for says enough without.
  }
  return found.map((pid) => `: process ${pid}${commandOf(pid)}`).join(' and')
}

/** Processes that have open what the link of a descriptor leads to. */
function processesWith(target: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && hasOpen(`/proc/${name}/fd`, target))
    .map(Number)
}

function hasOpen(descriptors: string, target: string): boolean {
  try {
    return readdirSync(descriptors).some((name) => linkAt(join(descriptors, name)) === target)
  } catch {
    return false // it may have ended, or be another user's
  }
}

function linkAt(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // closed meanwhile
  }
}

function commandOf(pid: number): string {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim()
    if (words === '') return ''
    return ` (${words.length > SHOWN ? `${words.slice(0, SHOWN)}…` : words})`
  } catch {
    return ''
  }
}
