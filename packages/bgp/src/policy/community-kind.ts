import { ByteReader, ByteWriter, RouteTarget, ValueError } from '@heddle/wire'
import type { PathAttributes } from '../attribute/path-attributes.js'
import { extendedCommunityFromWords, extendedCommunityWords, type ExtendedCommunity } from '../community/extended.js'
import { formatJointLabels, parseJointLabels } from '../community/joint-labels.js'
import { decodeIpv6ExtendedCommunity, encodeIpv6ExtendedCommunity, type Ipv6ExtendedCommunity } from '../community/ipv6.js'
import { formatLargeCommunity, type LargeCommunity } from '../community/large.js'
import { parseCommunity } from '../community/standard.js'
import type { CommunityChange } from './policy.js'

/** Attributes that are lists of communities, by the name that policies have for them. */
export type CommunityName = 'community' | 'largeCommunity' | 'extendedCommunity' | 'ipv6Community'

/** One kind of community in policies: as text of numbers between colons, which patterns compare part by part. */
interface CommunityKind<T> {
  of(attributes: PathAttributes): readonly T[]
  with(attributes: PathAttributes, values: readonly T[]): PathAttributes
  /** @throws ValueError */
  parse(text: string): T
  /** One text a value. */
  text(value: T): string
  /** Parts that the texts with a name in front have, the name among them; no other name is one. Left out where texts begin with no name. */
  readonly named?: ReadonlyMap<string, number>
}

const WORD = /^\d{1,10}$/

const STANDARD: CommunityKind<number> = {
  of: ({ communities = [] }) => communities,
  with: ({ communities: _old, ...rest }, communities) => (communities.length === 0 ? rest : { ...rest, communities }),
  parse: parseCommunity,
  text: (value) => `${value >>> 16}:${value & 0xffff}`,
}

const LARGE: CommunityKind<LargeCommunity> = {
  of: ({ largeCommunities = [] }) => largeCommunities,
  with: ({ largeCommunities: _old, ...rest }, largeCommunities) => (largeCommunities.length === 0 ? rest : { ...rest, largeCommunities }),
  parse(text) {
    const parts = text.split(':')
    const [globalAdministrator, localData1, localData2] = parts.map((part) => (WORD.test(part) ? Number(part) : Number.NaN))
    if (parts.length !== 3 || !(globalAdministrator <= 0xffff_ffff && localData1 <= 0xffff_ffff && localData2 <= 0xffff_ffff)) {
      throw new ValueError('bgp.policy.large-community', text, 'three numbers of 32 bits between colons')
    }
    return { globalAdministrator, localData1, localData2 }
  },
  text: formatLargeCommunity,
}

const EXTENDED: CommunityKind<ExtendedCommunity> = {
  of: ({ extendedCommunities = [] }) => extendedCommunities,
  with: ({ extendedCommunities: _old, ...rest }, extendedCommunities) =>
    extendedCommunities.length === 0 ? rest : { ...rest, extendedCommunities },
  parse(text) {
    const colon = text.indexOf(':')
    const value = text.slice(colon + 1)
    switch (text.slice(0, Math.max(colon, 0))) {
      case 'rt':
        return { kind: 'route-target', target: RouteTarget.parse(value) }
      case 'soo': {
        const { type, administrator, assigned } = RouteTarget.parse(value)
        return { kind: 'site-of-origin', type, administrator, assigned }
      }
      case 'encapsulation':
        if (WORD.test(value) && Number(value) <= 0xffff) return { kind: 'encapsulation', tunnelType: Number(value) }
        break
      case 'color':
        if (WORD.test(value) && Number(value) <= 0xffff_ffff) return { kind: 'color', flags: 0, color: Number(value) }
        break
      case 'joint-labels':
        return parseJointLabels(value)
      default:
        if (/^0x[0-9a-f]{16}$/i.test(text)) return extendedCommunityFromWords(Number(text.slice(0, 10)), Number(`0x${text.slice(10)}`))
    }
    throw new ValueError(
      'bgp.policy.extended-community',
      text,
      'rt:, soo:, encapsulation:, color:, joint-labels: with a value, or 0x and 16 hexadecimal digits',
    )
  },
  text(value) {
    const [high, low] = extendedCommunityWords(value)
    if (value.kind === 'route-target') return `rt:${value.target}`
    if (value.kind === 'site-of-origin') return `soo:${RouteTarget.of(value.type, value.administrator, value.assigned)}`
    if (value.kind === 'encapsulation') return `encapsulation:${value.tunnelType}`
    if (value.kind === 'color' && value.flags === 0) return `color:${value.color}`
    if (value.kind === 'joint-labels') return `joint-labels:${formatJointLabels(value)}`
    return `0x${hex(high)}${hex(low)}`
  },
  named: new Map([
    ['rt', 3],
    ['soo', 3],
    ['encapsulation', 2],
    ['color', 2],
    ['joint-labels', 2],
  ]),
}

const IPV6: CommunityKind<Ipv6ExtendedCommunity> = {
  of: ({ ipv6ExtendedCommunities = [] }) => ipv6ExtendedCommunities,
  with: ({ ipv6ExtendedCommunities: _old, ...rest }, ipv6ExtendedCommunities) =>
    ipv6ExtendedCommunities.length === 0 ? rest : { ...rest, ipv6ExtendedCommunities },
  parse(text) {
    if (!/^0x[0-9a-f]{40}$/i.test(text)) throw new ValueError('bgp.policy.ipv6-community', text, '0x and 40 hexadecimal digits')
    const octets = Uint8Array.from({ length: 20 }, (_, at) => Number.parseInt(text.slice(2 + at * 2, 4 + at * 2), 16))
    return decodeIpv6ExtendedCommunity(new ByteReader(octets))
  },
  text(value) {
    const out = new ByteWriter(20)
    encodeIpv6ExtendedCommunity(value, out)
    return `0x${[...out.view()].map((octet) => octet.toString(16).padStart(2, '0')).join('')}`
  },
}

const KINDS: { readonly [Name in CommunityName]: CommunityKind<never> } = {
  community: STANDARD as CommunityKind<never>,
  largeCommunity: LARGE as CommunityKind<never>,
  extendedCommunity: EXTENDED as CommunityKind<never>,
  ipv6Community: IPV6 as CommunityKind<never>,
}

export const COMMUNITY_NAMES = Object.keys(KINDS) as readonly CommunityName[]

/** The attributes' communities of one kind, as policies write them. */
export function communityTexts(name: CommunityName, attributes: PathAttributes): string[] {
  const kind = KINDS[name]
  return kind.of(attributes).map((value) => kind.text(value))
}

/** Whether one of the attributes' communities is one that the pattern means. @throws ValueError when it is no pattern */
export function communityMatcher(name: CommunityName, pattern: string): (attributes: PathAttributes) => boolean {
  const kind = KINDS[name]
  const test = patternOf(kind, pattern)
  return (attributes) => kind.of(attributes).some((value) => test(kind.text(value)))
}

/** Carries a change out. @throws ValueError when it names something that is no community */
export function communityChange(name: CommunityName, change: CommunityChange): (attributes: PathAttributes) => PathAttributes {
  const kind = KINDS[name]
  const set = change.set?.map((text) => kind.parse(text))
  const deleted = (change.delete ?? []).map((pattern) => patternOf(kind, pattern))
  const added = (change.add ?? []).map((text) => kind.parse(text))
  return (attributes) => {
    const before = set ?? kind.of(attributes)
    const kept = before.filter((value) => !deleted.some((test) => test(kind.text(value))))
    const texts = new Set(kept.map((value) => kind.text(value)))
    const fresh = added.filter((value) => !texts.has(kind.text(value)))
    if (set === undefined && fresh.length === 0 && kept.length === before.length) return attributes
    return kind.with(attributes, [...kept, ...fresh])
  }
}

/** A text of which `*` stands for any part. @throws ValueError `bgp.policy.pattern` when none that there can be is meant */
function patternOf(kind: CommunityKind<never>, pattern: string): (text: string) => boolean {
  if (!pattern.includes('*')) {
    const text = kind.text(kind.parse(pattern))
    return (other) => other === text
  }
  const parts = pattern.split(':')
  const [name] = parts
  if (kind.named !== undefined && name !== '*' && parts.length !== kind.named.get(name)) {
    const known = [...kind.named].map(([each, count]) => [each, ...Array<string>(count - 1).fill('*')].join(':'))
    throw new ValueError('bgp.policy.pattern', pattern, `one of ${known.join(', ')}, with values for some *`)
  }
  const values = kind.named === undefined ? parts : parts.slice(1)
  if (!values.every((part) => part === '*' || /^[\w.]+$/.test(part)))
    throw new ValueError('bgp.policy.pattern', pattern, 'parts between colons, some of them *')
  return (other) => {
    const theirs = other.split(':')
    return theirs.length === parts.length && parts.every((part, at) => part === '*' || part === theirs[at])
  }
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0')
}
