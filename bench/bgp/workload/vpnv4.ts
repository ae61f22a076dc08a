import { FLAGS, TYPE, attribute, u16, u32 } from './octets.ts'
import { integer, seeded } from './random.ts'
import type { RouteSet } from './workload.ts'

const AS = 65_000
const VPNS = 1_000
const NEXT_HOPS = 2_000
const FIRST_HOP = 0xac10_0001 // 172.16.0.1
/** The first VPN has 10.0.0.0/20, and so on. */
const FIRST_POD = 0x0a00_0001
const PODS_OF_A_VPN = 4_096
const FIRST_LABEL = 16

/**
 * Pods of an overlay: host routes of 1,000 VPNs behind 2,000 nodes. Pods of one VPN on one node share their attributes, 1–39 of them (20 on
 * average); each has a label of its node's label space. The RD is the VPN's. No two VPNs
 * use the same addresses, although they may: FRR's time grows with the square of those that do.
 */
export function vpnv4Sets(routes: number, seed = 4): RouteSet[] {
  const random = seeded(seed)
  const pods = new Uint32Array(VPNS)
  const labels = new Uint32Array(NEXT_HOPS)
  const attached = new Set<number>()
  const sets: RouteSet[] = []
  for (let left = routes; left > 0;) {
    const [vpn, node] = [integer(random, 0, VPNS - 1), integer(random, 0, NEXT_HOPS - 1)]
    if (attached.has(vpn * NEXT_HOPS + node)) continue
    attached.add(vpn * NEXT_HOPS + node)
    const size = Math.min(left, integer(random, 1, 39))
    left -= size
    const hop = u32(FIRST_HOP + node)
    const rd = [...u16(0), ...u16(AS), ...u32(vpn + 1)]
    const nlri = Array.from({ length: size }, () => entry(FIRST_LABEL + labels[node]++, rd, FIRST_POD + vpn * PODS_OF_A_VPN + pods[vpn]++))
    sets.push({ attributes: attributes(vpn, random), nextHop: [...u16(0), ...u32(0), ...u16(0), ...hop], nlri })
  }
  return sets
}

function entry(label: number, rd: readonly number[], address: number): Uint8Array {
  const bottom = ((label << 4) | 1) >>> 0
  return new Uint8Array([24 + 64 + 32, bottom >>> 16, (bottom >>> 8) & 0xff, bottom & 0xff, ...rd, ...u32(address)])
}

/** The VPN's route target, MED (FRR gives one to what has none), for every tenth set that of a shared services VPN too, and MPLS in UDP as encapsulation (RFC 9012). */
function attributes(vpn: number, random: () => number): number[] {
  const target = (number: number): number[] => [0, 2, ...u16(AS), ...u32(number)]
  const targets = [target(vpn + 1), ...(random() < 0.1 ? [target(5_000)] : [])]
  return [
    ...attribute(FLAGS.wellKnown, TYPE.origin, [0]),
    ...attribute(FLAGS.wellKnown, TYPE.asPath, []),
    ...attribute(FLAGS.optional, TYPE.med, u32(0)),
    ...attribute(FLAGS.wellKnown, TYPE.localPref, u32(100)),
    ...attribute(FLAGS.optionalTransitive, TYPE.extendedCommunities, [...targets.flat(), 3, 0x0c, 0, 0, 0, 0, 0, 13]),
  ]
}
