import { isDeepStrictEqual } from 'node:util'
import { ByteReader, ByteWriter, WireError } from '@heddle/wire'
import { encodeAttributes } from '../src/attribute/encode.js'
import { ATTRIBUTE_CODECS } from '../src/attribute/registry.js'
import { decodeCapabilities, encodeCapability } from '../src/capability/registry.js'
import {
  BgpCapture,
  BmpStation,
  FAMILIES,
  HEADER_SIZE,
  MESSAGE_TYPE,
  bmpToJson,
  capturedToJson,
  decodeBmp,
  decodeMessage,
  decodeMrt,
  decodeRtr,
  encodeBmp,
  encodeMessage,
  encodeMrt,
  encodeRtr,
  messageToJson,
  mrtToJson,
  readHeader,
  walkUpdate,
  type BgpError,
  type CodecFault,
  type DecodeOptions,
  type Family,
} from '../src/index.js'
import { decodeNextHop, encodeNextHop } from '../src/next-hop/codec.js'
import { decodeNlri, encodeNlri } from '../src/nlri/registry.js'
import { nestedAttributes } from '../src/validate/attributes.js'
import type { Target } from './engine.js'
import { UnmetError } from './unmet.js'

/** Octets that seed a target, by its name or by the first part of it. */
export type Seeds = (name: string) => readonly Uint8Array[]

/** Every decoder of the package as a target. */
export function targetsOf(seeds: Seeds): Target[] {
  return [
    messageTarget('message', { peerType: 'ibgp' }, seeds('message')),
    messageTarget('message-ebgp-as2', { peerType: 'ebgp', asn4: false }, seeds('message')),
    messageTarget('message-add-path', { peerType: 'ibgp', addPath: 'all' }, seeds('message')),
    { name: 'capabilities', seeds: seeds('capabilities'), check: checkCapabilities },
    ...ATTRIBUTE_CODECS.map((codec): Target => {
      const name = `attribute-${codec.name}`
      return { name, seeds: seeds(name), check: (bytes) => checkAttribute(codec.type, bytes) }
    }),
    ...FAMILIES.flatMap((family) =>
      [false, true].map((addPath): Target => {
        const name = `nlri-${family.name}`
        return { name: addPath ? `${name}-add-path` : name, seeds: seeds(name), check: (bytes) => checkNlri(family, addPath, bytes) }
      }),
    ),
    { name: 'next-hop', seeds: [new Uint8Array(4), new Uint8Array(16), new Uint8Array(24), new Uint8Array(48)], check: checkNextHops },
    { name: 'bmp', seeds: seeds('bmp'), check: checkBmp, refit: (bytes) => withU32(bytes, 1, bytes.length) },
    { name: 'rtr', seeds: seeds('rtr'), check: checkRtr, refit: (bytes) => withU32(bytes, 4, bytes.length) },
    { name: 'capture', seeds: seeds('capture'), check: checkCapture },
    { name: 'mrt', seeds: seeds('mrt'), check: checkMrt, refit: (bytes) => withU32(bytes, 8, bytes.length - 12) },
  ]
}

function messageTarget(name: string, options: DecodeOptions, seeds: readonly Uint8Array[]): Target {
  return { name, seeds, check: (bytes) => checkMessage(bytes, options), refit: reframed }
}

function checkMessage(bytes: Uint8Array, options: DecodeOptions): void {
  readHeader(bytes, options)
  const result = decodeMessage(bytes, options)
  for (const error of result.ok ? result.errors : [result.error]) checkFault(error, bytes.length, /^bgp\./)
  if (!result.ok) return
  const printed = messageToJson(result.message)
  if (!isDeepStrictEqual(JSON.parse(JSON.stringify(printed)), printed)) throw new UnmetError('prints as no JSON')
  if (result.errors.length > 0 || result.message.type === 'notification') return
  const again = decodeMessage(encodeMessage(result.message, { ...options, extended: true }), options)
  if (!again.ok || !isDeepStrictEqual(again.message, result.message)) throw new UnmetError('written again, reads otherwise')
}

function checkCapabilities(bytes: Uint8Array): void {
  const errors: BgpError[] = []
  const value = attempt(() => decodeCapabilities(new ByteReader(bytes), errors))
  if (value === undefined) return
  const out = new ByteWriter()
  for (const capability of value) encodeCapability(capability, out)
  const again = decodeCapabilities(new ByteReader(out.view()), [])
  if (!isDeepStrictEqual(again, value)) throw new UnmetError('written again, reads otherwise')
}

/** As it stands among others: an UPDATE with the value under its own flags. */
function checkAttribute(type: number, value: Uint8Array): void {
  const codec = ATTRIBUTE_CODECS.find((one) => one.type === type)
  if (codec === undefined) return
  for (const asn4 of [true, false]) {
    const context = { asn4, peerType: 'ibgp', nested: nestedAttributes(2) } as const
    const content = attempt(() => {
      const input = new ByteReader(value)
      const decoded = codec.decode(input, context)
      if (input.remaining > 0) input.fail('bgp.attribute.length', codec.rfc)
      return decoded
    })
    if (content === undefined || codec.property.startsWith('as4')) continue
    const out = new ByteWriter()
    encodeAttributes({ [codec.property]: content }, out)
    const list = new ByteReader(out.finish())
    if (list.remaining === 0) continue
    const head = list.u8()
    list.skip(1)
    const again = codec.decode(list.sub((head & 0x10) === 0 ? list.u8() : list.u16(), 'value'), { ...context, asn4: true })
    if (!isDeepStrictEqual(again, content)) throw new UnmetError(`${codec.name}, written again, reads otherwise`)
  }
}

function checkNlri(family: Family, addPath: boolean, bytes: Uint8Array): void {
  for (const withdraw of [false, true]) {
    const mode = { addPath, withdraw }
    const value = attempt(() => decodeNlri(new ByteReader(bytes), family, mode))
    if (value === undefined) continue
    const out = new ByteWriter()
    for (const nlri of value) encodeNlri(nlri, out, family, mode)
    const again = decodeNlri(new ByteReader(out.view()), family, mode)
    if (!isDeepStrictEqual(again, value)) throw new UnmetError('written again, reads otherwise')
  }
}

function checkNextHops(bytes: Uint8Array): void {
  for (const family of FAMILIES) {
    const value = attempt(() => decodeNextHop(new ByteReader(bytes), family))
    if (value === undefined) continue
    const out = new ByteWriter()
    encodeNextHop(value, out, family)
    if (!isDeepStrictEqual(decodeNextHop(new ByteReader(out.view()), family), value)) throw new UnmetError('written again, reads otherwise')
  }
}

function checkBmp(bytes: Uint8Array): void {
  new BmpStation().push(bytes)
  const result = decodeBmp(bytes)
  if (!result.ok) return checkFault(result.error, bytes.length, /^bmp\./)
  bmpToJson(new BmpStation().take(result.message))
  if (!isDeepStrictEqual(decodeBmp(encodeBmp(result.message)), result)) throw new UnmetError('written again, reads otherwise')
}

function checkMrt(bytes: Uint8Array): void {
  const result = decodeMrt(bytes)
  if (!result.ok) return checkFault(result.error, bytes.length, /^(mrt|bgp\.nlri)\./)
  mrtToJson(result.record)
  if (!isDeepStrictEqual([...encodeMrt(result.record)], [...bytes])) throw new UnmetError('written again, is other octets')
}

function checkCapture(bytes: Uint8Array): void {
  const capture = new BgpCapture()
  const cut = bytes.length >>> 1
  for (const item of [...capture.push(bytes.subarray(0, cut)), ...capture.push(bytes.subarray(cut)), ...capture.end()]) {
    const printed = capturedToJson(item)
    if (!isDeepStrictEqual(JSON.parse(JSON.stringify(printed)), printed)) throw new UnmetError('prints as no JSON')
    if ('error' in item) checkFault(item.error, Number.POSITIVE_INFINITY, /^(bgp|bmp|capture|pcap|pcapng)\./)
  }
}

function checkRtr(bytes: Uint8Array): void {
  const result = decodeRtr(bytes)
  if (!result.ok) return checkFault(result.error, bytes.length, /^rtr\./)
  if (!isDeepStrictEqual(decodeRtr(encodeRtr(result.pdu)), result)) throw new UnmetError('written again, reads otherwise')
}

/** The value, or `undefined` where the octets are refused as they may be. */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return undefined
  }
}

function checkFault({ code, offset, rfc }: CodecFault, size: number, codes: RegExp): void {
  if (offset < 0 || offset > size) throw new UnmetError(`${code} at ${offset} of ${size}`)
  if (!codes.test(code) || !/^(RFC \d+|draft-[a-z0-9-]+) §/.test(rfc)) throw new UnmetError(`${code} (${rfc})`)
}

/** A message whose marker, length and type are right. */
function reframed(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.max(HEADER_SIZE, bytes.length))
  out.set(bytes)
  out.fill(0xff, 0, 16)
  out[16] = out.length >>> 8
  out[17] = out.length & 0xff
  if (out[18] < MESSAGE_TYPE.open || out[18] > MESSAGE_TYPE.routeRefresh) out[18] = MESSAGE_TYPE.update
  return out
}

function withU32(bytes: Uint8Array, at: number, value: number): Uint8Array {
  if (bytes.length < at + 4 || value < 0) return bytes
  const out = bytes.slice()
  new DataView(out.buffer).setUint32(at, value)
  return out
}

/** The values of attributes and the NLRI fields of messages, under the names of their targets. */
export function partsOf(messages: readonly Uint8Array[]): ReadonlyMap<string, readonly Uint8Array[]> {
  const parts = new Map<string, Uint8Array[]>()
  const add = (name: string, bytes: Uint8Array): void => void (parts.get(name) ?? parts.set(name, []).get(name))?.push(bytes.slice())
  const names = new Map(ATTRIBUTE_CODECS.map(({ type, name }) => [type, name]))
  for (const bytes of messages) {
    if (bytes[18] === MESSAGE_TYPE.open && bytes.length > 29) add('capabilities', bytes.subarray(31))
    if (bytes[18] !== MESSAGE_TYPE.update) continue
    const walked = walkUpdate(bytes)
    if (!walked.ok) continue
    const { attributes, reach, unreach } = walked.view
    for (const { type, offset, length } of attributes) {
      const name = names.get(type)
      if (name !== undefined) add(`attribute-${name}`, bytes.subarray(offset, offset + length))
    }
    for (const { family, offset, length } of [...reach, ...unreach]) add(`nlri-${family.name}`, bytes.subarray(offset, offset + length))
  }
  return parts
}
