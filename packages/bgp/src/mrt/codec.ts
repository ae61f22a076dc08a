import { ByteReader, ByteWriter } from '@heddle/wire'
import { faultOf, type CodecFault } from '../codec-fault.js'
import { decodeBgp4mp, encodeBgp4mp, bgp4mpSubtype } from './bgp4mp.js'
import { EXTENDED_TIMESTAMP, MRT_HEADER_SIZE, MRT_TYPE } from './iana.js'
import { decodeLegacy, encodeLegacy, legacySubtype } from './legacy.js'
import type { MrtRecord } from './record.js'
import { decodeTableDumpV2, encodeTableDumpV2, tableDumpV2Subtype } from './table-dump-v2.js'
import { decodeTableDump, encodeTableDump } from './table-dump.js'

/** The common header of a record (RFC 6396 §2). */
export interface MrtHeader {
  /** Seconds since 1970. */
  readonly timestamp: number
  readonly type: number
  readonly subtype: number
  /** Octets behind the header, microseconds included. */
  readonly length: number
}

/** A record with the type it stands under, or what is wrong with it. */
export type MrtResult =
  | { readonly ok: true; readonly header: MrtHeader; readonly record: MrtRecord }
  | { readonly ok: false; readonly header?: MrtHeader; readonly error: CodecFault }

/**
 * Common header (RFC 6396 §2).
 *
 *     +---------------+----------+-------------+------------+
 *     | timestamp (4) | type (2) | subtype (2) | length (4) |
 *     +---------------+----------+-------------+------------+
 *
 * @returns `undefined` while there are fewer than 12 octets
 */
export function readMrtHeader(bytes: Uint8Array): MrtHeader | undefined {
  if (bytes.length < MRT_HEADER_SIZE) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, MRT_HEADER_SIZE)
  return { timestamp: view.getUint32(0), type: view.getUint16(4), subtype: view.getUint16(6), length: view.getUint32(8) }
}

/**
 * Reads one whole record. Returns a value or an error for every byte string and never throws; BGP messages and attributes inside are framed and
 * not yet read (`mrtMessage`, `mrtAttributes`, `mrtNlri`).
 *
 * @param bytes the record, header included, and nothing behind it; the result keeps no reference to it
 * @see RFC 6396, RFC 8050
 */
export function decodeMrt(bytes: Uint8Array): MrtResult {
  const header = readMrtHeader(bytes)
  const fault = (code: string, offset: number): CodecFault => ({ code, offset, path: 'mrt', rfc: 'RFC 6396 §2' })
  if (header === undefined) return { ok: false, error: fault('mrt.truncated', bytes.length) }
  if (header.length !== bytes.length - MRT_HEADER_SIZE) return { ok: false, header, error: fault('mrt.length', 8) }
  const result = faultOf({ code: 'mrt.truncated', rfc: 'RFC 6396 §4' }, () => {
    const input = new ByteReader(bytes.subarray(MRT_HEADER_SIZE), 'mrt', MRT_HEADER_SIZE)
    const micros = EXTENDED_TIMESTAMP.has(header.type) ? { microseconds: input.u32() } : {}
    const record = decodeBody(header, { timestamp: header.timestamp, ...micros }, input)
    return input.remaining > 0 ? input.fail('mrt.length', 'RFC 6396 §2') : record
  })
  return 'fault' in result ? { ok: false, header, error: result.fault } : { ok: true, header, record: result.value }
}

function decodeBody({ type, subtype }: MrtHeader, time: Pick<MrtRecord, 'timestamp' | 'microseconds'>, input: ByteReader): MrtRecord {
  switch (type) {
    case MRT_TYPE.bgp: {
      const body = decodeLegacy(subtype, input)
      return body === undefined ? { kind: 'other', ...time, type, subtype, body: input.rest().slice() } : { ...body, ...time }
    }
    case MRT_TYPE.tableDump: {
      const body = decodeTableDump(subtype, input)
      return body === undefined ? { kind: 'other', ...time, type, subtype, body: input.rest().slice() } : { ...body, ...time }
    }
    case MRT_TYPE.tableDumpV2: {
      const body = decodeTableDumpV2(subtype, input)
      return body === undefined ? { kind: 'other', ...time, type, subtype, body: input.rest().slice() } : { ...body, ...time }
    }
    case MRT_TYPE.bgp4mp:
    case MRT_TYPE.bgp4mpEt: {
      const body = decodeBgp4mp(subtype, input)
      return body === undefined ? { kind: 'other', ...time, type, subtype, body: input.rest().slice() } : { ...body, ...time }
    }
    default:
      return { kind: 'other', ...time, type, subtype, body: input.rest().slice() }
  }
}

/** Writes one record, header included. @throws ValueError `mrt.*` for a value that its form cannot hold */
export function encodeMrt(record: MrtRecord): Uint8Array {
  const { timestamp, microseconds } = record
  const [type, subtype] = typeOf(record)
  const out = new ByteWriter(256).u32(timestamp).u16(type).u16(subtype).u32(0)
  if (microseconds !== undefined) out.u32(microseconds)
  switch (record.kind) {
    case 'other':
      out.octets(record.body)
      break
    case 'table-dump':
      encodeTableDump(record, out)
      break
    case 'message':
    case 'state-change':
      encodeBgp4mp(record, out)
      break
    case 'legacy-message':
    case 'legacy-state-change':
      encodeLegacy(record, out)
      break
    default:
      encodeTableDumpV2(record, out)
  }
  const bytes = out.finish()
  new DataView(bytes.buffer).setUint32(8, bytes.length - MRT_HEADER_SIZE)
  return bytes
}

function typeOf(record: MrtRecord): readonly [type: number, subtype: number] {
  switch (record.kind) {
    case 'other':
      return [record.type, record.subtype]
    case 'table-dump':
      return [MRT_TYPE.tableDump, record.prefix.family === 4 ? 1 : 2]
    case 'message':
    case 'state-change':
      return [record.microseconds === undefined ? MRT_TYPE.bgp4mp : MRT_TYPE.bgp4mpEt, bgp4mpSubtype(record)]
    case 'legacy-message':
    case 'legacy-state-change':
      return [MRT_TYPE.bgp, legacySubtype(record)]
    default:
      return [MRT_TYPE.tableDumpV2, tableDumpV2Subtype(record)]
  }
}
