import type { AdministratorType } from '@heddle/wire'
import { administratorOf, administratorWords } from './administrator-words.js'
import { floatBits, floatOf } from './float.js'

/** What FlowSpec routes do with the traffic they match (RFC 8955 §7). */
export type FlowspecAction =
  /** Octets a second; 0 discards all (RFC 8955 §7.1). */
  | { readonly kind: 'traffic-rate-bytes'; readonly as: number; readonly bytesPerSecond: number }
  /** Packets a second (RFC 8955 §7.2). */
  | { readonly kind: 'traffic-rate-packets'; readonly as: number; readonly packetsPerSecond: number }
  /** `terminal`: rules behind this one are applied too; `sample`: matched packets are sampled and logged (RFC 8955 §7.3). */
  | { readonly kind: 'traffic-action'; readonly sample: boolean; readonly terminal: boolean }
  /** Into the VRF that imports the route target (RFC 8955 §7.4). */
  | { readonly kind: 'redirect'; readonly type: AdministratorType; readonly administrator: number; readonly assigned: number }
  /** Differentiated services code point to set, 0–63 (RFC 8955 §7.5). */
  | { readonly kind: 'traffic-marking'; readonly dscp: number }
  /** To the next hop of the route; `copy` sends a copy only (draft-ietf-idr-flowspec-redirect-ip §3). */
  | { readonly kind: 'redirect-to-next-hop'; readonly copy: boolean }

/** First octets of the generic transitive experimental types (RFC 8955 §7.6, RFC 7153 §5.2.1). */
const EXPERIMENTAL = 0x80
const SUBTYPE = { rateBytes: 0x06, action: 0x07, redirect: 0x08, marking: 0x09, ratePackets: 0x0c } as const
const REDIRECT_TO_NEXT_HOP = 0x0800

/** The action of the two words, or `undefined` where bits are set that none of them has. */
export function flowspecActionFromWords(high: number, low: number): FlowspecAction | undefined {
  const type = high >>> 24
  const tail = high & 0xffff
  if (high >>> 16 === REDIRECT_TO_NEXT_HOP && tail === 0 && low <= 1) return { kind: 'redirect-to-next-hop', copy: low === 1 }
  const subtype = (high >>> 16) & 0xff
  if (type >= EXPERIMENTAL && type <= EXPERIMENTAL + 2 && subtype === SUBTYPE.redirect) {
    const form = (type - EXPERIMENTAL) as AdministratorType
    return { kind: 'redirect', type: form, ...administratorOf(form, high, low) }
  }
  if (type !== EXPERIMENTAL) return undefined
  const rate = floatOf(low)
  if (subtype === SUBTYPE.rateBytes && rate !== undefined) return { kind: 'traffic-rate-bytes', as: tail, bytesPerSecond: rate }
  if (subtype === SUBTYPE.ratePackets && rate !== undefined) return { kind: 'traffic-rate-packets', as: tail, packetsPerSecond: rate }
  if (subtype === SUBTYPE.action && tail === 0 && low <= 3)
    return { kind: 'traffic-action', sample: (low & 2) !== 0, terminal: (low & 1) !== 0 }
  if (subtype === SUBTYPE.marking && tail === 0 && low <= 63) return { kind: 'traffic-marking', dscp: low }
  return undefined
}

/** The two words of an action. */
export function flowspecActionWords(action: FlowspecAction): readonly [number, number] {
  switch (action.kind) {
    case 'traffic-rate-bytes':
      return [head(SUBTYPE.rateBytes, action.as), floatBits(action.bytesPerSecond)]
    case 'traffic-rate-packets':
      return [head(SUBTYPE.ratePackets, action.as), floatBits(action.packetsPerSecond)]
    case 'traffic-action':
      return [head(SUBTYPE.action), (action.sample ? 2 : 0) | (action.terminal ? 1 : 0)]
    case 'redirect':
      return administratorWords(action.type, SUBTYPE.redirect, action.administrator, action.assigned, EXPERIMENTAL)
    case 'traffic-marking':
      return [head(SUBTYPE.marking), action.dscp]
    default:
      return [REDIRECT_TO_NEXT_HOP * 0x1_0000, action.copy ? 1 : 0]
  }
}

function head(subtype: number, tail = 0): number {
  return ((EXPERIMENTAL << 24) | (subtype << 16) | tail) >>> 0
}
