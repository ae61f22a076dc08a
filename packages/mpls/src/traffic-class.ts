import type { TunnelModel } from './ttl.js'

/*
 * Traffic class of a label (RFC 5462) and DSCP of a packet, in the models of RFC 3270 §2.6, with the mapping that routers have by default: the
 * class selector (RFC 2474 §4.2.2), the upper three of DSCP's six bits. ECN is not touched by any of these: what RFC 5129 would put in the
 * traffic class stays in the IP header.
 */

/** Traffic class, 0–7, of a label pushed on a packet with `dscp`; `pipe`: the tunnel's own. */
export function pushedTrafficClass(model: TunnelModel, dscp: number, own = 0): number {
  return model === 'uniform' ? dscp >>> 3 : own
}

/** DSCP, 0–63, of a packet whose last label, with `trafficClass`, was popped. Uniform keeps the lower bits when the class did not change on the way. */
export function poppedDscp(model: TunnelModel, trafficClass: number, dscp: number): number {
  return model === 'pipe' || dscp >>> 3 === trafficClass ? dscp : trafficClass << 3
}

/** Traffic class, 0–7, of the label below one that was popped. */
export function poppedTrafficClass(model: TunnelModel, popped: number, inner: number): number {
  return model === 'uniform' ? popped : inner
}

/** DSCP of the underlay's IP header; `pipe`: the tunnel's own (RFC 2983 §3). */
export function outerDscp(model: TunnelModel, dscp: number, own = 0): number {
  return model === 'uniform' ? dscp : own
}
