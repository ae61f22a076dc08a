import { ValueError, WireError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { NOTIFICATION, OPEN_ERROR } from '../iana.js'
import { bgpErrorFrom, type BgpError } from '../validate/bgp-error.js'
import { addPathCapability } from './add-path.js'
import type { CapabilityCodec } from './capability-codec.js'
import type { Capability } from './capability.js'
import { dynamicCapability } from './dynamic.js'
import { extendedNextHopCapability } from './extended-next-hop.js'
import { enhancedRouteRefreshCapability, extendedMessageCapability, routeRefreshCapability } from './flag-capabilities.js'
import { fourOctetAsCapability } from './four-octet-as.js'
import { fqdnCapability } from './fqdn.js'
import { gracefulRestartCapability } from './graceful-restart.js'
import { longLivedGracefulRestartCapability } from './long-lived-graceful-restart.js'
import { multiprotocolCapability } from './multiprotocol.js'
import { outboundRouteFilteringCapability } from './outbound-route-filtering.js'
import { roleCapability } from './role.js'
import { softwareVersionCapability } from './software-version.js'

/** Every capability that becomes a value, ordered by code. */
export const CAPABILITY_CODECS: readonly CapabilityCodec[] = Object.freeze<CapabilityCodec[]>([
  multiprotocolCapability,
  routeRefreshCapability,
  outboundRouteFilteringCapability,
  extendedNextHopCapability,
  extendedMessageCapability,
  roleCapability,
  gracefulRestartCapability,
  fourOctetAsCapability,
  dynamicCapability,
  addPathCapability,
  enhancedRouteRefreshCapability,
  longLivedGracefulRestartCapability,
  fqdnCapability,
  softwareVersionCapability,
])

const BY_CODE = new Map(CAPABILITY_CODECS.map((codec) => [codec.code, codec]))
const BY_KIND = new Map(CAPABILITY_CODECS.map((codec) => [codec.kind, codec]))

/**
 * Reads capabilities to the end of the container (RFC 5492 §4): code, length, value. One whose value is malformed stays as `unknown` and is
 * reported: a peer that writes it wrongly cannot use it, but the session can do without. The exception is the four-octet AS number, without
 * which nobody knows who the peer is.
 *
 * @throws WireError `wire.truncated` when a length exceeds the container
 */
export function decodeCapabilities(input: ByteReader, errors: BgpError[]): Capability[] {
  const out: Capability[] = []
  while (input.remaining > 0) {
    const code = input.u8()
    const codec = BY_CODE.get(code)
    const value = input.sub(input.u8(), codec?.kind ?? `capability-${code}`)
    try {
      if (codec !== undefined) {
        const capability = codec.decode(value)
        if (value.remaining > 0) value.fail('bgp.capability.length', codec.rfc)
        out.push(capability)
        continue
      }
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      errors.push(malformed(error, codec))
    }
    out.push({ kind: 'unknown', code, value: value.bytes.slice() })
  }
  return out
}

function malformed(error: WireError, codec: CapabilityCodec | undefined): BgpError {
  const truncation = { code: 'bgp.capability.length', rfc: codec?.rfc ?? 'RFC 5492 §4' }
  if (codec !== fourOctetAsCapability) return bgpErrorFrom(error, truncation, 'ignore')
  return bgpErrorFrom(error, truncation, 'session-reset', {
    code: NOTIFICATION.open,
    subcode: OPEN_ERROR.unspecific,
    data: new Uint8Array(),
  })
}

/** Writes code, length and value. @throws ValueError `bgp.capability.too-large` */
export function encodeCapability(capability: Capability, out: ByteWriter): void {
  const codec = BY_KIND.get(capability.kind)
  out.u8(capability.kind === 'unknown' ? capability.code : codec!.code)
  const close = out.reserveU8()
  const start = out.length
  if (capability.kind === 'unknown') out.octets(capability.value)
  else codec!.encode(capability, out)
  if (out.length - start > 255) throw new ValueError('bgp.capability.too-large', `${out.length - start} octets`, 'at most 255')
  close()
}
