import { decodeMessage } from './decode.js'
import { resultToJson, type JsonResult } from './message/json.js'
import type { DecodeOptions } from './message/options.js'
import { familyKey } from './nlri/family.js'

/**
 * Decodes one message given as octets or as hex (white space and `:` between octets allowed) to plain data.
 *
 * @returns `{ok: true, message}` with `errors` where there are some, or `{ok: false, error}`; text that is no hex is an error of code
 *   `bgp.input.hex`
 */
export function decodeToJson(input: string | Uint8Array, options: DecodeOptions = {}): JsonResult {
  if (typeof input !== 'string') return resultToJson(decodeMessage(input, options))
  const bytes = parseHex(input)
  return typeof bytes === 'number' ? refuse('bgp.input.hex', bytes) : resultToJson(decodeMessage(bytes, options))
}

/**
 * Decodes one line of `heddle decode bgp`: hex, or a JSON object `{"hex", "asn4", "addpath" or "addPath", "peer", "extended"}` in which
 * `addpath` lists `AFI/SAFI` or `*`; null and absent mean the default (four-octet AS numbers, no ADD-PATH, ebgp, extended); other keys are
 * ignored.
 *
 * @returns as `decodeToJson`; a line that is neither is an error of code `bgp.input.json`, `bgp.input.hex`, `bgp.input.asn4`,
 *   `bgp.input.addpath`, `bgp.input.peer` or `bgp.input.extended`
 */
export function decodeLine(line: string): JsonResult {
  const text = line.trim()
  if (!text.startsWith('{')) return decodeToJson(text)
  const fields = parseObject(text)
  if (fields === undefined) return refuse('bgp.input.json')
  const { hex, asn4 = null, peer = null, extended = null } = fields
  const addPath = fields['addpath'] ?? fields['addPath'] ?? null
  if (typeof hex !== 'string') return refuse('bgp.input.hex')
  if (asn4 !== null && typeof asn4 !== 'boolean') return refuse('bgp.input.asn4')
  if (peer !== null && peer !== 'ibgp' && peer !== 'ebgp') return refuse('bgp.input.peer')
  if (extended !== null && typeof extended !== 'boolean') return refuse('bgp.input.extended')
  const keys = addPath === null ? new Set<number>() : parseAddPath(addPath)
  if (keys === undefined) return refuse('bgp.input.addpath')
  return decodeToJson(hex, { asn4: asn4 ?? true, peerType: peer ?? 'ebgp', extended: extended ?? true, addPath: keys })
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}

function parseAddPath(list: unknown): ReadonlySet<number> | 'all' | undefined {
  if (!Array.isArray(list)) return undefined
  if (list.includes('*')) return 'all'
  const keys = new Set<number>()
  for (const item of list as unknown[]) {
    const match = typeof item === 'string' ? /^(\d{1,5})\/(\d{1,3})$/.exec(item) : null
    if (match === null || Number(match[1]) > 0xffff || Number(match[2]) > 0xff) return undefined
    keys.add(familyKey(Number(match[1]), Number(match[2])))
  }
  return keys
}

/** The octets, or how many were read before one that is none. */
function parseHex(text: string): Uint8Array | number {
  const digits = text.replaceAll(/[\s:]/g, '')
  const bytes = new Uint8Array(digits.length >>> 1)
  for (let at = 0; at < bytes.length; at++) {
    const high = digit(digits.charCodeAt(2 * at))
    const low = digit(digits.charCodeAt(2 * at + 1))
    if (high < 0 || low < 0) return at
    bytes[at] = (high << 4) | low
  }
  return digits.length % 2 === 0 ? bytes : bytes.length
}

function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

/** The error of a line that holds no message; a session that sent such a thing would end. */
function refuse(code: string, offset = 0): JsonResult {
  return { ok: false, error: { code, offset, path: 'message', rfc: 'RFC 4271 §4.1', handling: 'session-reset' } }
}
