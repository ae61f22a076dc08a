import { LinuxError, UnsupportedError } from '../linux-error.js'
import { call } from '../native/call.js'

const AO_KERNEL = '6.7'

/** Peers of a key. */
export interface TcpKeyPeers {
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
export function setTcpMd5Key(fd: number, key: Uint8Array, { peer, prefixLength }: TcpKeyPeers): void {
  supported('TCP_MD5SIG', prefixLength === undefined ? '2.6.20' : '4.13', () =>
    call((native) => native.tcpSetMd5Key(fd, peer, prefixLength, key)),
  )
}

/** A master key of TCP-AO as the kernel takes it. */
export interface TcpAoMasterKey {
  /** 0–255. */
  readonly sendId: number
  readonly receiveId: number
  /** `cmac(aes128)` takes keys of any length (RFC 5926 §3.1.1.2). */
  readonly algorithm: 'hmac(sha1)' | 'cmac(aes128)'
  /** 1–80 octets. */
  readonly key: Uint8Array
  /** It signs from now on, and the peer is asked to sign with its like. Default `false`; not for sockets that listen. */
  readonly current?: boolean
}

/**
 * Adds a master key for the segments exchanged with a peer (RFC 5925); MACs have 12 octets.
 *
 * @param fd descriptor of the socket
 * @throws UnsupportedError `TCP_AO_ADD_KEY` when the kernel lacks it
 * @throws LinuxError `EINVAL`, `EEXIST` for ids that are there, `EKEYREJECTED` where the peer has a TCP MD5 key, `EBADF`
 */
export function addTcpAoKey(fd: number, { key, sendId, receiveId, algorithm, current = false }: TcpAoMasterKey, peers: TcpKeyPeers): void {
  const { peer, prefixLength } = peers
  supported('TCP_AO_ADD_KEY', AO_KERNEL, () =>
    call((native) => native.tcpAddAoKey(fd, peer, prefixLength, { algorithm, sendId, receiveId, current }, key)),
  )
}

/**
 * Signs with a master key that the socket has from now on, and asks the peer to sign with its like; not for sockets that listen.
 *
 * @throws UnsupportedError `TCP_AO_INFO` when the kernel lacks it
 * @throws LinuxError `ENOENT` when the socket has no such key, `EBADF`
 */
export function useTcpAoKey(fd: number, { sendId, receiveId }: Pick<TcpAoMasterKey, 'sendId' | 'receiveId'>): void {
  supported('TCP_AO_INFO', AO_KERNEL, () => call((native) => native.tcpUseAoKey(fd, sendId, receiveId)))
}

/** Takes a master key away. @throws UnsupportedError `TCP_AO_DEL_KEY` when the kernel lacks it @throws LinuxError `ENOENT`, `EBADF` */
export function deleteTcpAoKey(fd: number, { sendId, receiveId }: TcpAoMasterKey, { peer, prefixLength }: TcpKeyPeers): void {
  supported('TCP_AO_DEL_KEY', AO_KERNEL, () => call((native) => native.tcpDeleteAoKey(fd, peer, prefixLength, sendId, receiveId)))
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

/** TTL or hop limit, 1–255, of what the socket sends; 0: as the system is set. */
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
