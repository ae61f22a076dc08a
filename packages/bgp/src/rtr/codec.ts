import { ByteReader, ByteWriter, IpAddress, IpPrefix, ValueError } from '@heddle/wire'
import { faultOf, type CodecFault } from '../codec-fault.js'
import { decodeText, encodeText } from '../message/text.js'
import { RTR_HEADER_SIZE, RTR_MAX_VERSION, RTR_TYPE, type RtrPdu } from './pdu.js'

/** A PDU, or what is wrong with it. */
export type RtrResult = { readonly ok: true; readonly pdu: RtrPdu } | { readonly ok: false; readonly error: CodecFault }

const RFC = 'RFC 8210 §5.1'
const ANNOUNCE = 0x01
const NAMES: ReadonlyMap<number, RtrPdu['type']> = new Map(Object.entries(RTR_TYPE).map(([name, type]) => [type, name as RtrPdu['type']]))

/**
 * Reads one whole PDU. Returns a value or an error for every byte string and never throws.
 *
 *     +-------------+----------+-----------------------------+------------+
 *     | version (1) | type (1) | session, flags or code (2)  | length (4) |   length: of the PDU with this header
 *     +-------------+----------+-----------------------------+------------+
 *
 * @param bytes the PDU and nothing behind it; the result keeps no reference to it
 * @see RFC 6810, RFC 8210 §5, draft-ietf-sidrops-8210bis §5
 */
export function decodeRtr(bytes: Uint8Array): RtrResult {
  const result = faultOf({ code: 'rtr.truncated', rfc: RFC }, () => {
    const input = new ByteReader(bytes, 'rtr')
    const version = input.u8()
    if (version > RTR_MAX_VERSION) input.fail('rtr.version', 'RFC 8210 §7')
    const type = NAMES.get(input.u8()) ?? input.fail('rtr.type', RFC)
    const field = input.u16()
    if (input.u32() !== bytes.length) input.fail('rtr.length', RFC)
    const pdu = decodeBody(type, version, field, input)
    return input.remaining > 0 ? input.fail('rtr.length', RFC) : pdu
  })
  return 'fault' in result ? { ok: false, error: result.fault } : { ok: true, pdu: result.value }
}

/** The length of the PDU at the start of `bytes`, header included; `undefined` while there are fewer than 8 octets. */
export function rtrLength(bytes: Uint8Array): number | undefined {
  return bytes.length < RTR_HEADER_SIZE ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getUint32(4)
}

function decodeBody(type: RtrPdu['type'], version: number, field: number, input: ByteReader): RtrPdu {
  switch (type) {
    case 'serial-notify':
    case 'serial-query':
      return { type, version, session: field, serial: input.u32() }
    case 'reset-query':
    case 'cache-reset':
      return { type, version }
    case 'cache-response':
      return { type, version, session: field }
    case 'ipv4-prefix':
    case 'ipv6-prefix':
      return decodePrefix(type, version, input)
    case 'end-of-data': {
      const serial = input.u32()
      if (version === 0) return { type, version, session: field, serial }
      const intervals = { refresh: input.u32(), retry: input.u32(), expire: input.u32() }
      return { type, version, session: field, serial, intervals }
    }
    case 'router-key': {
      if (version === 0) input.fail('rtr.type', 'RFC 8210 §5.10')
      const identifier = input.octets(20).slice()
      return { type, version, announce: ((field >>> 8) & ANNOUNCE) !== 0, identifier, as: input.u32(), key: input.rest().slice() }
    }
    case 'aspa': {
      if (version < 2) input.fail('rtr.type', 'draft-ietf-sidrops-8210bis §5.12')
      const customer = input.u32()
      const providers: number[] = []
      while (input.remaining > 0) providers.push(input.u32())
      return { type, version, announce: ((field >>> 8) & ANNOUNCE) !== 0, customer, providers }
    }
    default: {
      const pdu = input.octets(input.u32()).slice()
      const text = decodeText(input.octets(input.u32())) ?? input.fail('rtr.text', 'RFC 8210 §5.11')
      return { type, version, code: field, pdu, text }
    }
  }
}

function decodePrefix(type: 'ipv4-prefix' | 'ipv6-prefix', version: number, input: ByteReader): RtrPdu {
  const [flags, length, maxLength] = [input.u8(), input.u8(), input.u8()]
  input.skip(1)
  const size = type === 'ipv4-prefix' ? 4 : 16
  if (length > size * 8 || maxLength < length || maxLength > size * 8) input.fail('rtr.prefix', 'RFC 8210 §5.6')
  const prefix = IpPrefix.of(IpAddress.fromBytes(input.octets(size)), length)
  return { type, version, announce: (flags & ANNOUNCE) !== 0, prefix, maxLength, as: input.u32() }
}

/** Writes one PDU. @throws ValueError `rtr.*` for a value that the version cannot hold */
export function encodeRtr(pdu: RtrPdu): Uint8Array {
  const out = new ByteWriter(64).u8(pdu.version).u8(RTR_TYPE[pdu.type]).u16(fieldOf(pdu)).u32(0)
  switch (pdu.type) {
    case 'serial-notify':
    case 'serial-query':
      out.u32(pdu.serial)
      break
    case 'ipv4-prefix':
    case 'ipv6-prefix':
      if ((pdu.prefix.family === 4) !== (pdu.type === 'ipv4-prefix')) throw new ValueError('rtr.prefix', pdu.prefix.toString(), pdu.type)
      out
        .u8(pdu.announce ? ANNOUNCE : 0)
        .u8(pdu.prefix.length)
        .u8(pdu.maxLength)
        .u8(0)
        .octets(pdu.prefix.address.toBytes())
        .u32(pdu.as)
      break
    case 'end-of-data':
      out.u32(pdu.serial)
      if ((pdu.intervals === undefined) !== (pdu.version === 0))
        throw new ValueError('rtr.intervals', `version ${pdu.version}`, 'since version 1')
      if (pdu.intervals !== undefined) out.u32(pdu.intervals.refresh).u32(pdu.intervals.retry).u32(pdu.intervals.expire)
      break
    case 'router-key':
      out.octets(pdu.identifier).u32(pdu.as).octets(pdu.key)
      break
    case 'aspa':
      out.u32(pdu.customer)
      for (const provider of pdu.providers) out.u32(provider)
      break
    case 'error-report': {
      const text = encodeText(pdu.text)
      out.u32(pdu.pdu.length).octets(pdu.pdu).u32(text.length).octets(text)
      break
    }
    default:
      break
  }
  const bytes = out.finish()
  new DataView(bytes.buffer).setUint32(4, bytes.length)
  return bytes
}

function fieldOf(pdu: RtrPdu): number {
  switch (pdu.type) {
    case 'serial-notify':
    case 'serial-query':
    case 'cache-response':
    case 'end-of-data':
      return pdu.session
    case 'router-key':
    case 'aspa':
      return pdu.announce ? ANNOUNCE << 8 : 0
    case 'error-report':
      return pdu.code
    default:
      return 0
  }
}
