import { crc32 } from 'node:zlib'

/*
 * A record of the log is a line: the CRC-32 of what follows in eight hexadecimal digits, a blank, and the changes as JSON, [key, value] or [key] each.
 *
 *     2c81e3d0 [["lease/red/10.1.0.2",{"owner":"pods/c1/eth0"}],["lease/red/10.1.0.9"]]
 */

const NEWLINE = 0x0a
const HEADER = 9

/** The octets of one record. */
export function encodeRecord(changes: Iterable<readonly [string, unknown]>): Uint8Array {
  const list = Array.from(changes, ([key, value]) => (value === undefined ? [key] : [key, value]))
  const body = JSON.stringify(list)
  return new TextEncoder().encode(`${crc32(body).toString(16).padStart(8, '0')} ${body}\n`)
}

/** What is left of a log. */
export interface Recovered {
  readonly all: Map<string, unknown>
  /** Octets that are whole records; what is behind them is the torn end of the last write. */
  readonly length: number
  /** Where a whole record stands behind one that is not: then octets were lost inside, and `all` is not what was written. */
  readonly corruptAt?: number
}

/** Reads records until the first that is not whole. */
export function recover(bytes: Uint8Array): Recovered {
  const all = new Map<string, unknown>()
  let at = 0
  while (at < bytes.length) {
    const end = bytes.indexOf(NEWLINE, at)
    const changes = end < 0 ? undefined : decodeLine(bytes.subarray(at, end))
    if (changes === undefined) break
    for (const [key, value] of changes) {
      if (value === undefined) all.delete(key)
      else all.set(key, value)
    }
    at = end + 1
  }
  return { all, length: at, ...(hasRecordAfter(bytes, at) ? { corruptAt: at } : {}) }
}

function hasRecordAfter(bytes: Uint8Array, from: number): boolean {
  for (let at = bytes.indexOf(NEWLINE, from) + 1; at > 0;) {
    const end = bytes.indexOf(NEWLINE, at)
    if (end < 0) return false
    if (decodeLine(bytes.subarray(at, end)) !== undefined) return true
    at = end + 1
  }
  return false
}

function decodeLine(line: Uint8Array): readonly [string, unknown?][] | undefined {
  const sum = new TextDecoder().decode(line.subarray(0, HEADER))
  const body = line.subarray(HEADER)
  if (!/^[0-9a-f]{8} $/.test(sum) || Number.parseInt(sum, 16) !== crc32(body)) return undefined
  try {
    return JSON.parse(new TextDecoder().decode(body)) as [string, unknown?][]
  } catch {
    return undefined
  }
}
