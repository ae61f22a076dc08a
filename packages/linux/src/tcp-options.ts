import { LinuxError, UnsupportedError } from './linux-error.js'
import { call } from './native/call.js'

/** Peers of a TCP MD5 key. */
export interface TcpMd5Options {
  readonly peer: string
  /** The key is for all peers in this prefix (Linux 4.13); for the one address if left out. */
  readonly prefixLength?: number
}

/**
 * Signs and checks the TCP segments exchanged with a peer (RFC 2385). A listening socket needs the key before the peer connects, a connecting one
 * before it does.
 *
 * @param fd descriptor of the socket; of an IPv4 address for `peer` on an IPv6 socket, write the mapped form
 * @param key 1–80 octets; empty takes the key away
 * @throws UnsupportedError `TCP_MD5SIG` when the kernel lacks it
 * @throws LinuxError `EINVAL` for a key, address or prefix that cannot be, `EBADF`, `ENOENT` when there is no key to take away
 */
export function setTcpMd5Key(fd: number, key: Uint8Array, { peer, prefixLength }: TcpMd5Options): void {
  supported('TCP_MD5SIG', prefixLength === undefined ? '2.6.20' : '4.13', () =>
    call((native) => native.tcpSetMd5Key(fd, peer, prefixLength, key)),
  )
}

/**
 * Drops segments that arrive with a TTL or hop limit below `minimum` (RFC 5082: 255 accepts direct neighbours only).
 *
 * @param minimum 1–255; 0 ends the check
 * @throws UnsupportedError `IP_MINTTL` when the kernel lacks it
 */
export function setTcpMinimumTtl(fd: number, family: 4 | 6, minimum: number): void {
  supported('IP_MINTTL', family === 4 ? '2.6.34' : '2.6.35', () => call((native) => native.tcpSetMinimumTtl(fd, family, minimum)))
}

/** TTL or hop limit, 1–255, of what the socket sends. */
export function setTcpTtl(fd: number, family: 4 | 6, ttl: number): void {
  call((native) => native.tcpSetTtl(fd, family, ttl))
}

function supported(feature: string, minimumKernel: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    if (error instanceof LinuxError && error.code === 'ENOPROTOOPT') throw new UnsupportedError(feature, minimumKernel, error)
    throw error
  }
}
