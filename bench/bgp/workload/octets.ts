// The octets of an UPDATE, written by this bench itself: what judges the tables that arrive shares no code with the speaker that it judges.

export const HEADER = 19
/** RFC 4271 §4.1; nobody here negotiates more. */
export const LARGEST_MESSAGE = 4096

export const UPDATE = 2

/** Types of path attributes, by their IANA registry. */
export const TYPE = {
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  atomicAggregate: 6,
  aggregator: 7,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  mpReach: 14,
  mpUnreach: 15,
  extendedCommunities: 16,
  largeCommunities: 32,
} as const

/** Flags that RFC 4271 §4.3 gives an attribute. */
export const FLAGS = { wellKnown: 0x40, optional: 0x80, optionalTransitive: 0xc0, extendedLength: 0x10 } as const

export function u16(value: number): number[] {
  return [value >>> 8, value & 0xff]
}

export function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]
}

/** A path attribute, with a length of one octet where it fits. */
export function attribute(flags: number, type: number, value: readonly number[]): number[] {
  return value.length > 255 ? [flags | FLAGS.extendedLength, type, ...u16(value.length), ...value] : [flags, type, value.length, ...value]
}

/** An UPDATE of its three fields. */
export function updateMessage(withdrawn: readonly number[], attributes: readonly number[], nlri: readonly number[]): Uint8Array {
  const length = HEADER + 4 + withdrawn.length + attributes.length + nlri.length
  const fields = [...u16(withdrawn.length), ...withdrawn, ...u16(attributes.length), ...attributes, ...nlri]
  return new Uint8Array([...marker(), ...u16(length), UPDATE, ...fields])
}

export function marker(): number[] {
  return Array.from({ length: 16 }, () => 0xff)
}
