import { IpPrefix, ValueError } from '@heddle/wire'

/** A prefix, and which longer ones count too. */
export interface PrefixRange {
  readonly prefix: IpPrefix
  /** Lengths of prefixes in it that count. */
  readonly least: number
  readonly most: number
}

/** Reads `PREFIX`, `PREFIX ge N`, `PREFIX le N` or `PREFIX ge N le M`. @throws ValueError `bgp.policy.prefix`, `wire.ip-prefix.*` */
export function parsePrefixRange(text: string): PrefixRange {
  const match = /^(\S+)(?: ge (\d{1,3}))?(?: le (\d{1,3}))?$/.exec(text.trim().replaceAll(/\s+/g, ' '))
  if (match === null) throw new ValueError('bgp.policy.prefix', text, 'PREFIX, with `ge N`, `le N` or both')
  const prefix = IpPrefix.parse(match[1])
  const { bits } = prefix.address
  const least = match[2] === undefined ? prefix.length : Number(match[2])
  const most = match[3] === undefined ? (match[2] === undefined ? prefix.length : bits) : Number(match[3])
  if (least < prefix.length || most < least || most > bits) {
    throw new ValueError('bgp.policy.prefix', text, `lengths of at least ${prefix.length} and at most ${bits}, the smaller first`)
  }
  return { prefix, least, most }
}

/** Whether a prefix is in the range. */
export function isInRange({ prefix, least, most }: PrefixRange, other: IpPrefix): boolean {
  return other.length >= least && other.length <= most && prefix.covers(other)
}
