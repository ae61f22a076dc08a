import type { NatPoolObject } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import fc from 'fast-check'

/** Addresses of pools: packets are sent to them and never come from them. */
export const POOL_ADDRESSES = ['10.0.0.8', 'fd00::8']

/** Ports of a pool, few, so that each that a flow may get can be followed; some of those that packets of `arbitraryPacket` come from. */
const RANGES = [
  { first: 9, last: 10 },
  { first: 40_000, last: 40_001 },
  { first: 9, last: 9 },
  { first: 1, last: 2 },
]
/** All ports of these ranges. */
export const POOL_PORTS = [1, 2, 9, 10, 40_000, 40_001]

/** Draws pools between some of `vrfs`. */
export function arbitraryPools(vrfs: readonly number[]): fc.Arbitrary<readonly NatPoolObject[]> {
  const places = vrfs.flatMap((vrf) =>
    vrfs
      .filter((outside) => outside !== vrf)
      .flatMap((outside) => POOL_ADDRESSES.map((address) => ({ vrf, outside, address: IpAddress.parse(address) }))),
  )
  return fc
    .subarray(places)
    .chain((chosen) => fc.tuple(...chosen.map((place, id) => fc.constantFrom(...RANGES).map((ports) => ({ id, ...place, ports })))))
}
