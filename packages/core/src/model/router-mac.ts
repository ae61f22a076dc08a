import { MacAddress, type IpAddress } from '@heddle/wire'

/** Locally administered (IEEE 802), and not a prefix of the addresses that endpoints' devices have. */
const PREFIX = 0x02_68

/**
 * The MAC address of a node in its virtual networks, by its tunnel end, so that a restart does not change what others were told: `02:68` and the IPv4
 * address, or 32 bits of an FNV-1a hash of the IPv6 address. Others find the tunnel by it, so no two nodes may share one: of 1,000 nodes with IPv6
 * addresses, two do with a probability of 1 in 8,600; then one of them needs another address.
 *
 * @see RFC 9135 §8.1
 */
export function routerMacOf(tunnelEnd: IpAddress): MacAddress {
  const { family, w0 } = tunnelEnd
  const low = family === 4 ? w0 : hash(tunnelEnd.toBytes())
  return MacAddress.of((PREFIX << 8) | (low >>> 24), low)
}

function hash(octets: Uint8Array): number {
  return octets.reduce((state, octet) => Math.imul(state ^ octet, 0x01_00_01_93), 0x81_1c_9d_c5) >>> 0
}
