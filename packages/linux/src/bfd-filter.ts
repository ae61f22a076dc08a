import type { IpAddress } from '@heddle/wire'

/** Sessions, and far ends, that a filter tells from others; with more of them it lets in whatever has the form of a packet. */
export const FILTERED = 200

/** What a socket is to let in. */
export interface BfdAdmission {
  readonly family: 4 | 6
  readonly hops: 'single' | 'multiple'
  /** Discriminators of this end, one of which a packet of a session names. */
  readonly discriminators: readonly number[]
  /** Far ends of which a packet may name none (0): it begins a session, or says that the far end began anew. */
  readonly openTo: readonly IpAddress[]
}

/* Classic BPF, as <linux/filter.h> has it. */
const [LOAD_WORD, LOAD_OCTET, LOAD_LENGTH] = [0x20, 0x30, 0x80]
const [SHIFT_RIGHT, XOR_X, TO_X] = [0x74, 0xac, 0x07]
const [JUMP, IF_EQUAL, IF_AT_LEAST] = [0x05, 0x15, 0x35]
const RETURN = 0x06
const ALL = 0xffff_ffff
/** Offsets from here on are into the IP header. */
const NETWORK = -0x10_0000 >>> 0

/** Octets of a UDP header and of the least packet (RFC 5880 §4.1), and where they have what is asked for. */
const [LEAST, VERSION_AT, YOURS_AT] = [8 + 24, 8, 8 + 8]
/** RFC 5881 §5. */
const TTL = 255
const HEADER = { 4: { ttl: 8, source: [12] }, 6: { ttl: 7, source: [8, 12, 16, 20] } } as const

type Instruction = readonly [code: number, operand: number, ifTrue?: number, ifFalse?: number]

/**
 * A filter for `UdpBatchSocket.filter`: who floods the port with packets of nobody's sessions takes no room from those of others. It lets some in that are no
 * packets of a session, and keeps none out that is. Sources of IPv6 are told apart by the exclusive or of their words.
 */
export function bfdFilter({ family, hops, discriminators, openTo }: BfdAdmission): number[] {
  const header = HEADER[family]
  const form: Instruction[] = [
    ...required([LOAD_LENGTH, 0], IF_AT_LEAST, LEAST),
    [LOAD_OCTET, VERSION_AT],
    ...required([SHIFT_RIGHT, 5], IF_EQUAL, 1),
    ...(hops === 'single' ? required([LOAD_OCTET, NETWORK + header.ttl], IF_EQUAL, TTL) : []),
  ]
  const sources = new Set(openTo.map(({ w0, w1, w2, w3 }) => (family === 4 ? w0 : w0 ^ w1 ^ w2 ^ w3) >>> 0))
  const known = oneOf(discriminators)
  const source = header.source.flatMap((at, index): Instruction[] =>
    index === 0
      ? [[LOAD_WORD, NETWORK + at]]
      : [
          [TO_X, 0],
          [LOAD_WORD, NETWORK + at],
          [XOR_X, 0],
        ],
  )
  const yours: Instruction[] = [
    [LOAD_WORD, YOURS_AT],
    [IF_EQUAL, 0, 0, 1],
    [JUMP, known.length],
    ...known,
    ...source,
    ...oneOf([...sources]),
  ]
  return [...form, ...yours].flatMap(([code, operand, ifTrue = 0, ifFalse = 0]) => [
    (code | (ifTrue << 16) | (ifFalse << 24)) >>> 0,
    operand,
  ])
}

/** Drops a packet unless what `load` leaves passes a test. */
function required(load: Instruction, test: number, operand: number): Instruction[] {
  return [load, [test, operand, 1, 0], [RETURN, 0]]
}

/** Takes a packet by the word that is loaded, or drops it. */
function oneOf(words: readonly number[]): Instruction[] {
  if (words.length > FILTERED) return [[RETURN, ALL]]
  return [
    ...words.flatMap((word): Instruction[] => [
      [IF_EQUAL, word, 0, 1],
      [RETURN, ALL],
    ]),
    [RETURN, 0],
  ]
}
