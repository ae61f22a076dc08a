import { ByteWriter, IpAddress, ValueError, WireError, type ByteReader } from '@heddle/wire'
import type { Capability } from '../capability/capability.js'
import { decodeCapabilities, encodeCapability } from '../capability/registry.js'
import { AS_TRANS, MAX_MESSAGE_SIZE, MESSAGE_TYPE, NOTIFICATION, OPEN_ERROR } from '../iana.js'
import { bgpErrorFrom, type BgpError } from '../validate/bgp-error.js'
import { frameMessage } from './header.js'
import type { OpenMessage } from './message.js'
import type { DecodeResult } from './result.js'

const VERSION = 4
/** Optional parameter that holds capabilities (RFC 5492 §4). */
const CAPABILITIES = 2
/** In the place of the parameters' length and of the first type: lengths of two octets follow (RFC 9072 §2). */
const EXTENDED = 255

const TRUNCATED = { code: 'bgp.open.length', rfc: 'RFC 4271 §6.2' }

/**
 * OPEN (RFC 4271 §4.2), with the extended form of RFC 9072 §2 when the parameters exceed 255 octets.
 *
 *     +---------+-------+-----------+------------+--------------+------------------------------+
 *     | version | my AS | hold time | identifier | length n (1) | parameters: type, length, …  |
 *     +---------+-------+-----------+------------+--------------+------------------------------+
 *     or … | 255 (1) | 255 (1) | length n (2) | parameters: type, length (2), … |
 */
export function decodeOpen(body: ByteReader): DecodeResult<OpenMessage> {
  try {
    return read(body)
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return { ok: false, error: bgpErrorFrom(error, TRUNCATED, 'session-reset', notification(OPEN_ERROR.unspecific)) }
  }
}

function read(body: ByteReader): DecodeResult<OpenMessage> {
  const at = body.offset
  const version = body.u8()
  if (version !== VERSION) return refuse('bgp.open.version', at, OPEN_ERROR.unsupportedVersion, Uint8Array.of(0, VERSION))
  const myAs = body.u16()
  const holdTime = body.u16()
  const identifier = body.u32()
  const errors: BgpError[] = []
  const parameters = readParameters(body, errors)
  if ('code' in parameters) return { ok: false, error: parameters }
  const capabilities = parameters.capabilities
  const fatal = errors.find(({ handling }) => handling === 'session-reset')
  if (fatal !== undefined) return { ok: false, error: fatal }
  const whole = capabilities.find((capability) => capability.kind === 'four-octet-as')?.as
  const as = whole ?? myAs
  if (as === 0 || whole === AS_TRANS) return refuse('bgp.open.as', at + 1, OPEN_ERROR.badPeerAs)
  if (holdTime === 1 || holdTime === 2) return refuse('bgp.open.hold-time', at + 3, OPEN_ERROR.unacceptableHoldTime)
  if (identifier === 0) return refuse('bgp.open.identifier', at + 5, OPEN_ERROR.badIdentifier)
  return { ok: true, message: { type: 'open', as, holdTime, routerId: IpAddress.v4(identifier), capabilities }, errors }
}

function readParameters(body: ByteReader, errors: BgpError[]): { capabilities: Capability[] } | BgpError {
  const capabilities: Capability[] = []
  const length = body.u8()
  const extended = length !== 0 && body.remaining > 0 && body.peekU8() === EXTENDED
  if (extended) body.skip(1)
  const parameters = body.sub(extended ? body.u16() : length, 'parameters')
  if (body.remaining > 0) body.fail('bgp.open.length', 'RFC 4271 §4.2')
  while (parameters.remaining > 0) {
    const at = parameters.offset
    const type = parameters.u8()
    const value = parameters.sub(
      extended ? parameters.u16() : parameters.u8(),
      type === CAPABILITIES ? 'capabilities' : `parameter-${type}`,
    )
    if (type !== CAPABILITIES) return fatal('bgp.open.parameter', at, OPEN_ERROR.unsupportedParameter)
    capabilities.push(...decodeCapabilities(value, errors))
  }
  return { capabilities }
}

/**
 * Writes all capabilities into one parameter, in the extended form only where the plain one is too small.
 *
 * @throws ValueError `bgp.open.as` when the AS number exceeds 65,535 and no four-octet AS capability has it; `bgp.open.hold-time`;
 *   `bgp.open.too-large` beyond 4,096 octets
 */
export function encodeOpen({ as, holdTime, routerId, capabilities }: OpenMessage): Uint8Array {
  if (as > 0xffff && !capabilities.some((capability) => capability.kind === 'four-octet-as' && capability.as === as)) {
    throw new ValueError('bgp.open.as', String(as), 'a four-octet AS capability beside an AS number above 65,535')
  }
  if (holdTime === 1 || holdTime === 2 || holdTime > 0xffff)
    throw new ValueError('bgp.open.hold-time', String(holdTime), '0 or 3–65,535 seconds')
  const list = new ByteWriter()
  for (const capability of capabilities) encodeCapability(capability, list)
  const out = new ByteWriter()
    .u8(VERSION)
    .u16(as > 0xffff ? AS_TRANS : as)
    .u16(holdTime)
    .u32(routerId.w0)
  const size = list.length
  if (size === 0) out.u8(0)
  else if (size + 2 < EXTENDED)
    out
      .u8(size + 2)
      .u8(CAPABILITIES)
      .u8(size)
  else {
    if (size > MAX_MESSAGE_SIZE.standard - 35) throw new ValueError('bgp.open.too-large', `${size} octets of capabilities`, 'at most 4,061')
    out
      .u8(EXTENDED)
      .u8(EXTENDED)
      .u16(size + 3)
      .u8(CAPABILITIES)
      .u16(size)
  }
  return frameMessage(MESSAGE_TYPE.open, out.octets(list.view()).view())
}

function notification(subcode: number, data: Uint8Array = new Uint8Array()): NonNullable<BgpError['notification']> {
  return { code: NOTIFICATION.open, subcode, data }
}

function fatal(code: string, offset: number, subcode: number, data?: Uint8Array): BgpError {
  return { code, offset, path: 'message/open', rfc: 'RFC 4271 §6.2', handling: 'session-reset', notification: notification(subcode, data) }
}

function refuse(code: string, offset: number, subcode: number, data?: Uint8Array): DecodeResult<OpenMessage> {
  return { ok: false, error: fatal(code, offset, subcode, data) }
}
