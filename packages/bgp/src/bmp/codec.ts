import { ByteReader, ByteWriter } from '@heddle/wire'
import { faultOf, type CodecFault } from '../codec-fault.js'
import { HEADER_SIZE } from '../iana.js'
import { decodeText, encodeText } from '../message/text.js'
import { BMP_HEADER_SIZE, BMP_MIRRORING, BMP_TYPE, BMP_VERSION } from './iana.js'
import { decodeInformation, encodeInformation } from './information.js'
import type { BmpMessage, BmpMirroringTlv, BmpPeerUp, BmpTerminationTlv } from './message.js'
import { decodePeer, encodePeer, isIpv6, readAddress, writeAddress } from './peer.js'
import { decodeStatistics, encodeStatistics } from './statistics.js'

/** A message or what is wrong with it. */
export type BmpResult = { readonly ok: true; readonly message: BmpMessage } | { readonly ok: false; readonly error: CodecFault }

/** The length of a message in octets, or what is wrong with its header. */
export type BmpHeaderResult = { readonly ok: true; readonly length: number } | { readonly ok: false; readonly error: CodecFault }

const RFC = 'RFC 7854 §4.1'

/**
 * Common header (RFC 7854 §4.1).
 *
 *     +-------------+------------+----------+
 *     | version (1) | length (4) | type (1) |   length: of the message with this header
 *     +-------------+------------+----------+
 *
 * @returns `undefined` while there are fewer than 6 octets
 */
export function readBmpHeader(bytes: Uint8Array): BmpHeaderResult | undefined {
  if (bytes.length < BMP_HEADER_SIZE) return undefined
  const fault = (code: string, offset: number): BmpHeaderResult => ({ ok: false, error: { code, offset, path: 'bmp', rfc: RFC } })
  if (bytes[0] !== BMP_VERSION) return fault('bmp.version', 0)
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1)
  if (bytes[5] > BMP_TYPE.routeMirroring) return fault('bmp.type', 5)
  return length < BMP_HEADER_SIZE ? fault('bmp.length', 1) : { ok: true, length }
}

/**
 * Reads one whole BMP message. Returns a value or an error for every byte string and never throws; BGP messages inside are framed and not yet
 * read (`bmpMessage`).
 *
 * @param bytes the message, header included, and nothing behind it; the result keeps no reference to it
 * @see RFC 7854 §4, RFC 8671, RFC 9069
 */
export function decodeBmp(bytes: Uint8Array): BmpResult {
  const head = readBmpHeader(bytes)
  if (head === undefined) return { ok: false, error: { code: 'bmp.truncated', offset: bytes.length, path: 'bmp', rfc: RFC } }
  if (!head.ok) return head
  if (head.length !== bytes.length) return { ok: false, error: { code: 'bmp.length', offset: 1, path: 'bmp', rfc: RFC } }
  const result = faultOf({ code: 'bmp.truncated', rfc: 'RFC 7854 §4' }, () => {
    const input = new ByteReader(bytes.subarray(BMP_HEADER_SIZE), 'bmp', BMP_HEADER_SIZE)
    const message = decodeBody(bytes[5], input)
    return input.remaining > 0 ? input.fail('bmp.length', RFC) : message
  })
  return 'fault' in result ? { ok: false, error: result.fault } : { ok: true, message: result.value }
}

function decodeBody(type: number, input: ByteReader): BmpMessage {
  switch (type) {
    case BMP_TYPE.initiation:
      return { type: 'initiation', information: decodeInformation(input) }
    case BMP_TYPE.termination:
      return { type: 'termination', tlvs: tlvs(input, terminationTlv) }
    default:
      break
  }
  const peer = decodePeer(input)
  switch (type) {
    case BMP_TYPE.routeMonitoring:
      return { type: 'route-monitoring', peer, pdu: framedPdu(input, 'RFC 7854 §4.6'), ...trailerOf(input) }
    case BMP_TYPE.statisticsReport:
      return { type: 'statistics-report', peer, statistics: decodeStatistics(input) }
    case BMP_TYPE.peerDown:
      return { type: 'peer-down', peer, reason: input.u8(), data: input.rest().slice() }
    case BMP_TYPE.peerUp: {
      const localAddress = readAddress(input, isIpv6(peer))
      const [localPort, remotePort] = [input.u16(), input.u16()]
      const [sentOpen, receivedOpen] = [framedPdu(input, 'RFC 7854 §4.10'), framedPdu(input, 'RFC 7854 §4.10')]
      return { type: 'peer-up', peer, localAddress, localPort, remotePort, sentOpen, receivedOpen, information: decodeInformation(input) }
    }
    default:
      return { type: 'route-mirroring', peer, tlvs: tlvs(input, mirroringTlv) }
  }
}

/** A BGP message by its own length field; its content is judged elsewhere. */
function framedPdu(input: ByteReader, rfc: string): Uint8Array {
  const at = input.bytes.subarray(input.position)
  const length = at.length < HEADER_SIZE ? 0 : (at[16] << 8) | at[17]
  if (length < HEADER_SIZE) input.fail('bmp.pdu.length', rfc)
  return input.octets(length).slice()
}

/** TLVs behind the UPDATE; they are kept as octets, but octets that are no TLVs are refused. */
function trailerOf(input: ByteReader): { trailer?: Uint8Array } {
  if (input.remaining === 0) return {}
  const bytes = input.bytes.subarray(input.position)
  tlvs(input, () => undefined)
  return { trailer: bytes.slice() }
}

function tlvs<T>(input: ByteReader, make: (type: number, value: Uint8Array) => T): T[] {
  const out: T[] = []
  while (input.remaining > 0) out.push(make(input.u16(), input.octets(input.u16()).slice()))
  return out
}

function terminationTlv(type: number, value: Uint8Array): BmpTerminationTlv {
  const text = type === 0 ? decodeText(value) : undefined
  if (text !== undefined) return { kind: 'text', text }
  return type === 1 && value.length === 2 ? { kind: 'reason', reason: (value[0] << 8) | value[1] } : { kind: 'unknown', type, value }
}

function mirroringTlv(type: number, value: Uint8Array): BmpMirroringTlv {
  if (type === BMP_MIRRORING.message) return { kind: 'message', pdu: value }
  if (type === BMP_MIRRORING.information && value.length === 2) return { kind: 'information', code: (value[0] << 8) | value[1] }
  return { kind: 'unknown', type, value }
}

/** Writes one message, header included. */
export function encodeBmp(message: BmpMessage): Uint8Array {
  const out = new ByteWriter(128).u8(BMP_VERSION).u32(0).u8(TYPE_OF[message.type])
  if ('peer' in message) encodePeer(message.peer, out)
  switch (message.type) {
    case 'route-monitoring':
      out.octets(message.pdu).octets(message.trailer ?? new Uint8Array())
      break
    case 'statistics-report':
      encodeStatistics(message.statistics, out)
      break
    case 'peer-down':
      out.u8(message.reason).octets(message.data)
      break
    case 'peer-up':
      encodePeerUp(message, out)
      break
    case 'initiation':
      encodeInformation(message.information, out)
      break
    default:
      for (const tlv of message.tlvs) encodeTlv(tlv, out)
  }
  const bytes = out.finish()
  new DataView(bytes.buffer).setUint32(1, bytes.length)
  return bytes
}

const TYPE_OF: Readonly<Record<BmpMessage['type'], number>> = {
  'route-monitoring': BMP_TYPE.routeMonitoring,
  'statistics-report': BMP_TYPE.statisticsReport,
  'peer-down': BMP_TYPE.peerDown,
  'peer-up': BMP_TYPE.peerUp,
  initiation: BMP_TYPE.initiation,
  termination: BMP_TYPE.termination,
  'route-mirroring': BMP_TYPE.routeMirroring,
}

function encodePeerUp(message: BmpPeerUp, out: ByteWriter): void {
  writeAddress(message.localAddress, out)
  out.u16(message.localPort).u16(message.remotePort).octets(message.sentOpen).octets(message.receivedOpen)
  encodeInformation(message.information, out)
}

function encodeTlv(tlv: BmpTerminationTlv | BmpMirroringTlv, out: ByteWriter): void {
  switch (tlv.kind) {
    case 'text': {
      const text = encodeText(tlv.text)
      return void out.u16(0).u16(text.length).octets(text)
    }
    case 'reason':
      return void out.u16(1).u16(2).u16(tlv.reason)
    case 'message':
      return void out.u16(BMP_MIRRORING.message).u16(tlv.pdu.length).octets(tlv.pdu)
    case 'information':
      return void out.u16(BMP_MIRRORING.information).u16(2).u16(tlv.code)
    default:
      return void out.u16(tlv.type).u16(tlv.value.length).octets(tlv.value)
  }
}
