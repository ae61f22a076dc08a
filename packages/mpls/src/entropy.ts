import {
  IP_PROTOCOL_TCP,
  IP_PROTOCOL_UDP,
  Ipv6Chain,
  ipv4Destination,
  ipv4HeaderLength,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4Source,
  ipv6DestinationWord,
  ipv6SourceWord,
  walkIpv6Extensions,
} from '@heddle/wire'

/** First and last source port that carries entropy (RFC 7510 §3: the dynamic ports of RFC 6335). */
export const ENTROPY_PORT_FIRST = 49_152
/** Last source port that carries entropy (RFC 7510 §3). */
export const ENTROPY_PORT_LAST = 65_535

/** UDP source port for a flow: the upper 14 bits of its hash. Packets of one flow keep their path, flows spread over all paths of the underlay. */
export function entropyPort(hash: number): number {
  return ENTROPY_PORT_FIRST + (hash >>> 18)
}

// Short code counts here: four times in the fast path, it took the room in which V8 inlines the look-up of the route.
const { imul } = Math
const IP_PROTOCOL_SCTP = 132
const chain = new Ipv6Chain()

/**
 * Hash of the flow that the IP packet between `at` and `end` belongs to, an unsigned word: addresses, protocol, and the ports of TCP, UDP and SCTP. A
 * fragment is hashed without ports, so that all fragments of a datagram go one way. Not symmetric: the two directions of a connection differ.
 * What is no IP packet is hashed as 0 addresses.
 *
 * @param seed any unsigned word; routers in a row need different ones, lest they all choose alike
 */
export function flowHash(bytes: Uint8Array, at: number, end: number, seed: number): number {
  const version = at < end ? bytes[at] >>> 4 : 0
  let hash = seed
  if (version === 4 && at + 20 <= end) {
    hash = mix(mix(hash, ipv4Source(bytes, at)), ipv4Destination(bytes, at))
    const protocol = ipv4Protocol(bytes, at)
    return finish(withPorts(hash, bytes, protocol, ipv4IsFragment(bytes, at) ? end : at + ipv4HeaderLength(bytes, at), end))
  }
  if (version === 6 && at + 40 <= end) {
    for (let word = 0; word < 4; word++) {
      hash = mix(mix(hash, ipv6SourceWord(bytes, at, word)), ipv6DestinationWord(bytes, at, word))
    }
    const isWalked = walkIpv6Extensions(bytes, at, end, chain) === 'ok'
    if (isWalked && chain.isFragment) return finish(mix(hash, chain.fragmented))
    return finish(withPorts(hash, bytes, isWalked ? chain.protocol : 0, isWalked ? chain.offset : end, end))
  }
  return finish(hash)
}

/**
 * As `flowHash`, of the fields of an IPv4 header that was read already.
 *
 * @param hasPorts whether it is TCP, UDP or SCTP, no fragment, and its ports are there
 * @param ports both of them as one word
 */
export function ipv4FlowHash(
  source: number,
  destination: number,
  protocol: number,
  hasPorts: boolean,
  ports: number,
  seed: number,
): number {
  const hash = mix(mix(mix(seed, source), destination), protocol)
  return finish(hasPorts ? mix(hash, ports) : hash)
}

/** Whether a flow of the protocol is told from others by ports, the first four octets of its header. */
export function hasFlowPorts(protocol: number): boolean {
  return protocol === IP_PROTOCOL_TCP || protocol === IP_PROTOCOL_UDP || protocol === IP_PROTOCOL_SCTP
}

function withPorts(hash: number, bytes: Uint8Array, protocol: number, at: number, end: number): number {
  const mixed = mix(hash, protocol)
  if (!hasFlowPorts(protocol) || at + 4 > end) return mixed
  return mix(mixed, (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3])
}

/** One word into the hash: multiply, rotate, multiply, add. */
function mix(hash: number, word: number): number {
  const scrambled = imul(word, 0xcc9e2d51)
  const next = hash ^ imul((scrambled << 15) | (scrambled >>> 17), 0x1b873593)
  const turned = (next << 13) | (next >>> 19)
  return (turned + (turned << 2) + 0xe6546b64) | 0
}

/** Lets every bit of the input reach the upper bits, which make the port. */
function finish(hash: number): number {
  let word = hash
  word = imul(word ^ (word >>> 16), 0x85ebca6b)
  word = imul(word ^ (word >>> 13), 0xc2b2ae35)
  return (word ^ (word >>> 16)) >>> 0
}
