import type { IpAddress } from '@heddle/wire'
import type { NumberRange } from './policy.js'

/**
 * Source NAT of a VRF: packets that a `lookup` next hop takes from `vrf` into `outside` come from `address` there, each flow by a port of the range. A
 * port is shared by flows to different ends. Replies, and ICMP errors that go to the source of what they quote, find their way back into `vrf`; who sent a
 * reply that is lost there is told by the address of the pool, from which errors of endpoints and routers in `vrf` about what came back come, too (RFC 5508
 * REQ-5). What is no flow of TCP, UDP or an ICMP echo and no such error, or would need another port where a protocol cannot change it (SCTP), is
 * dropped as `nat-exhausted`. Policies of endpoints outside know a flow by `address`. Needs the feature `nat`.
 *
 * Pools in a row are not supported. `outside` may be hidden by another pool, and each hides what is led through it alone; of a packet that is led through both
 * in one go, replies come back through the last one only: they are then for the first one's address in `outside`, and dropped as `no-route` where nothing leads to it.
 */
export interface NatPoolObject {
  readonly id: number
  /** The VRF whose addresses are hidden. */
  readonly vrf: number
  /** The VRF in which they are hidden; (vrf, outside, family of the address) is of one pool. */
  readonly outside: number
  /** Must be led to this router in `outside`. */
  readonly address: IpAddress
  /** 1–65,535. A flow keeps its own port where it lies in the range and is free. */
  readonly ports: NumberRange
}
