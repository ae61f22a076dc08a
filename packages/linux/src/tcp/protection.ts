import { TransportError, type PeerProtection, type StreamAuthentication, type StreamProtection } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import { UnsupportedError } from '../linux-error.js'
import {
  addTcpAoKey,
  deleteTcpAoKey,
  setTcpMd5Key,
  setTcpMinimumTtl,
  setTcpTtl,
  useTcpAoKey,
  type TcpAoMasterKey,
  type TcpKeyPeers,
} from './options.js'

const ALGORITHMS = { 'hmac-sha-1-96': 'hmac(sha1)', 'aes-128-cmac-96': 'cmac(aes128)' } as const
const NO_KEY = new Uint8Array()

/** Does as asked, and tells a feature that the kernel lacks as a transport does: by the name of the option. */
export function protecting<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (!(cause instanceof UnsupportedError)) throw cause
    throw new TransportError('transport.unsupported', `${what}: ${cause.detail}`, { cause })
  }
}

/** Protects a stream that is about to be opened. @param family of the socket */
export function protectStream(
  fd: number,
  family: 4 | 6,
  peer: IpAddress,
  { hopLimit, minimumHopLimit, authentication }: StreamProtection,
): void {
  if (hopLimit !== undefined) setTcpTtl(fd, family, hopLimit)
  if (minimumHopLimit !== undefined) setTcpMinimumTtl(fd, family, minimumHopLimit)
  if (authentication !== undefined) setKeys(fd, authentication, { peer: peer.toString() }, true)
}

/** Gives an open stream another key of the kind that it has. */
export function rekeyStream(fd: number, peer: IpAddress, before: StreamAuthentication, after: StreamAuthentication): void {
  const peers = { peer: peer.toString() }
  if (before.kind !== after.kind) {
    throw new TransportError(
      'transport.unsupported',
      `changing the key of ${peer}: an open stream cannot go from ${before.kind} to ${after.kind}`,
    )
  }
  if (before.kind === 'tcp-md5' || after.kind === 'tcp-md5') return setKeys(fd, after, peers, true)
  const known = new Set(before.keys.map(idOf))
  const wanted = new Set(after.keys.map(idOf))
  // what the peer still signs with is known until the other key is
  setKeys(fd, { kind: 'tcp-ao', keys: after.keys.filter((key) => !known.has(idOf(key))) }, peers, false)
  const [first] = after.keys
  if (first !== undefined) useTcpAoKey(fd, first)
  for (const key of before.keys) if (!wanted.has(idOf(key))) deleteTcpAoKey(fd, masterKey(key, false), peers)
}

/** Keys of a listening socket, by peer; what it has follows what it should. */
export class ListenerKeys {
  readonly #held = new Map<string, { readonly peers: TcpKeyPeers; readonly authentication: StreamAuthentication }>()

  /** @param mapped the socket is one of IPv6, to which IPv4 peers have mapped addresses */
  constructor(
    private readonly fd: number,
    private readonly mapped: boolean,
  ) {}

  /** @throws UnsupportedError, LinuxError; then some keys are new and others not */
  use(protection: readonly PeerProtection[]): void {
    const wanted = new Map(
      protection.flatMap(({ peer, prefixLength, authentication }) => {
        const peers = { peer: (this.mapped ? peer.toV4Mapped() : peer).toString(), ...(prefixLength === undefined ? {} : { prefixLength }) }
        return authentication === undefined ? [] : [[JSON.stringify(peers), { peers, authentication }] as const]
      }),
    )
    for (const [name, { peers, authentication }] of this.#held) {
      if (JSON.stringify(wanted.get(name)?.authentication) === JSON.stringify(authentication)) continue
      // TCP MD5 takes another key in the place of the one that is there, so that the peer is never without
      if (!(authentication.kind === 'tcp-md5' && wanted.get(name)?.authentication.kind === 'tcp-md5')) {
        deleteKeys(this.fd, authentication, peers)
        this.#held.delete(name)
      }
    }
    for (const [name, entry] of wanted) {
      if (JSON.stringify(this.#held.get(name)) === JSON.stringify(entry)) continue
      setKeys(this.fd, entry.authentication, entry.peers, false)
      this.#held.set(name, entry)
    }
  }
}

/** What holds for a peer: of its own address, else of the longest prefix. */
export function protectionFor(protection: readonly PeerProtection[], address: IpAddress): PeerProtection | undefined {
  const fits = protection.filter(({ peer, prefixLength = peer.bits }) => isWithin(address, peer, prefixLength))
  const lengthOf = ({ peer, prefixLength = peer.bits }: PeerProtection): number => prefixLength
  return fits.reduce<PeerProtection | undefined>(
    (best, next) => (best === undefined || lengthOf(next) > lengthOf(best) ? next : best),
    undefined,
  )
}

function isWithin(address: IpAddress, peer: IpAddress, length: number): boolean {
  if (address.family !== peer.family) return false
  const [a, b] = [address.toBytes(), peer.toBytes()]
  return a.every((octet, at) => {
    const bits = Math.min(8, Math.max(0, length - at * 8))
    return (octet ^ b[at]) >>> (8 - bits) === 0
  })
}

function setKeys(fd: number, authentication: StreamAuthentication, peers: TcpKeyPeers, current: boolean): void {
  if (authentication.kind === 'tcp-md5') return setTcpMd5Key(fd, new TextEncoder().encode(authentication.key), peers)
  // the first key is the one to begin with
  authentication.keys.forEach((key, at) => addTcpAoKey(fd, masterKey(key, current && at === 0), peers))
}

function deleteKeys(fd: number, authentication: StreamAuthentication, peers: TcpKeyPeers): void {
  if (authentication.kind === 'tcp-md5') return setTcpMd5Key(fd, NO_KEY, peers)
  for (const key of authentication.keys) deleteTcpAoKey(fd, masterKey(key, false), peers)
}

type AoKey = Extract<StreamAuthentication, { kind: 'tcp-ao' }>['keys'][number]

function masterKey({ sendId, receiveId, algorithm, key }: AoKey, current: boolean): TcpAoMasterKey {
  return { sendId, receiveId, algorithm: ALGORITHMS[algorithm], key: new TextEncoder().encode(key), current }
}

function idOf(key: AoKey): string {
  return JSON.stringify(key)
}
