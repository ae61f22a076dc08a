import { ByteWriter, WireError, type ByteReader } from '@heddle/wire'
import { MESSAGE_TYPE, NOTIFICATION } from '../iana.js'
import { familyOf } from '../nlri/family.js'
import { bgpErrorFrom, type BgpError } from '../validate/bgp-error.js'
import { frameMessage } from './header.js'
import type { RouteRefreshMessage } from './message.js'
import { decodeOutboundRouteFilters, encodeOutboundRouteFilters } from './outbound-route-filter.js'
import type { DecodeResult } from './result.js'

/** Subtypes (RFC 7313 §3.2): a request, and the marks around the answer. */
export const ROUTE_REFRESH_SUBTYPE = { request: 0, begin: 1, end: 2 } as const

/**
 * ROUTE-REFRESH (RFC 2918 §3, RFC 7313 §3.2).
 *
 *     +-------+---------+------+
 *     | AFI   | subtype | SAFI |   outbound route filters may follow a request
 *     +-------+---------+------+
 */
export function decodeRouteRefresh(body: ByteReader, message: Uint8Array): DecodeResult<RouteRefreshMessage> {
  const afi = body.u16()
  const subtype = body.u8()
  const family = familyOf(afi, body.u8())
  const marks = subtype === ROUTE_REFRESH_SUBTYPE.begin || subtype === ROUTE_REFRESH_SUBTYPE.end
  if (marks && body.remaining > 0) return { ok: false, error: badLength(body.offset, message) }
  const head = { type: 'route-refresh', family, subtype } as const
  if (body.remaining === 0) return { ok: true, message: head, errors: [] }
  const octets = body.bytes.slice(body.position)
  try {
    return { ok: true, message: { ...head, orf: decodeOutboundRouteFilters(body, afi) }, errors: [] }
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    const ignored = bgpErrorFrom(error, { code: 'bgp.route-refresh.orf', rfc: 'RFC 5291 §4' }, 'ignore')
    return { ok: true, message: { ...head, rawOrf: octets }, errors: [ignored] }
  }
}

/** Writes a ROUTE-REFRESH, header included. @throws ValueError `bgp.route-refresh.orf` */
export function encodeRouteRefresh({ family, subtype, orf, rawOrf }: RouteRefreshMessage): Uint8Array {
  const out = new ByteWriter(4).u16(family.afi).u8(subtype).u8(family.safi)
  if (orf !== undefined) encodeOutboundRouteFilters(orf, out, family.afi)
  else if (rawOrf !== undefined) out.octets(rawOrf)
  return frameMessage(MESSAGE_TYPE.routeRefresh, out.view())
}

function badLength(offset: number, message: Uint8Array): BgpError {
  return {
    code: 'bgp.route-refresh.length',
    offset,
    path: 'message/route-refresh',
    rfc: 'RFC 7313 §5',
    handling: 'session-reset',
    notification: { code: NOTIFICATION.routeRefresh, subcode: 1, data: message.slice() },
  }
}
