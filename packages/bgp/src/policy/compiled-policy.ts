import { IpAddress, IpPrefix, RouteDistinguisher, ValueError } from '@heddle/wire'
import type { AttributeSet } from '../attribute/attribute-set.js'
import type { AsPathSegment, PathAttributes } from '../attribute/path-attributes.js'
import { familyByName, type Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import { AsPathPattern } from './as-path-pattern.js'
import { COMMUNITY_NAMES, communityChange, communityMatcher } from './community-kind.js'
import { PolicyError } from './policy-error.js'
import type { OriginValidation, Policy, PolicyChange, PolicyMatch, PolicyTerm, PolicyVerdict } from './policy.js'
import { isInRange, parsePrefixRange } from './prefix-range.js'

/** A route as policies see it. */
export interface PolicyRoute {
  readonly family: Family
  readonly nlri: Nlri
  readonly set: AttributeSet
  /** Address of the peer that it came from, or `local`. */
  readonly peer: string
  readonly source: 'local' | 'ibgp' | 'ebgp'
  /** Absent where origins are not validated. */
  readonly validation?: OriginValidation
}

/** What a policy makes of a route. */
export interface PolicyResult {
  readonly verdict: 'accept' | 'reject'
  /** With the changes of all terms that matched. */
  readonly set: AttributeSet
  /** The next hop that a term asked for, which only the session can fill in. */
  readonly nextHop?: 'self' | 'unchanged'
  /** The term that gave the verdict: its name, or its place from 0; `otherwise` when none did. */
  readonly term: string
  /** A term set MED, so that another AS is to have it. */
  readonly med: boolean
}

type Test = (route: PolicyRoute) => boolean

interface CompiledTerm {
  readonly name: string
  readonly match: Test
  readonly unless: Test | undefined
  readonly change: ((attributes: PathAttributes) => PathAttributes) | undefined
  readonly nextHop: IpAddress | 'self' | 'unchanged' | undefined
  readonly med: boolean
  readonly verdict: PolicyVerdict
}

/** A policy that has been checked, ready to be applied. Applying it is a pure function of the route. */
export class CompiledPolicy {
  readonly #terms: readonly CompiledTerm[]
  /** Whether two routes of equal attributes may come to different results. */
  readonly dependsOnNlri: boolean
  /** Whether the state of a route's origin means anything to it. */
  readonly looksAtValidation: boolean

  /** @throws PolicyError `policy.value` naming the place */
  constructor(readonly policy: Policy) {
    this.#terms = policy.terms.map((term, at) => compileTerm(term, at))
    const looksAtNlri = ({ prefix, rd, validation }: PolicyMatch = {}): boolean =>
      prefix !== undefined || rd !== undefined || validation !== undefined
    this.dependsOnNlri = policy.terms.some(({ match, unless }) => looksAtNlri(match) || looksAtNlri(unless))
    this.looksAtValidation = policy.terms.some(({ match, unless }) => (match?.validation ?? unless?.validation) !== undefined)
  }

  /** Equal for policies that do the same. */
  get key(): string {
    return JSON.stringify(this.policy)
  }

  apply(route: PolicyRoute): PolicyResult {
    let { set } = route
    let nextHop: PolicyResult['nextHop']
    let med = false
    for (const term of this.#terms) {
      const seen = set === route.set ? route : { ...route, set }
      if (!term.match(seen) || term.unless?.(seen) === true) continue
      if (term.change !== undefined) set = { ...set, attributes: term.change(set.attributes) }
      med ||= term.med
      if (term.nextHop instanceof IpAddress) {
        set = { ...set, nextHop: { address: term.nextHop } }
        nextHop = 'unchanged'
      } else nextHop = term.nextHop ?? nextHop
      if (term.verdict !== 'next')
        return { verdict: term.verdict, set, term: term.name, med, ...(nextHop === undefined ? {} : { nextHop }) }
    }
    const verdict = this.policy.otherwise ?? 'reject'
    return { verdict, set, term: 'otherwise', med, ...(nextHop === undefined ? {} : { nextHop }) }
  }
}

/** Checks a policy and makes it ready. @throws PolicyError `policy.value` naming the place */
export function compilePolicy(policy: Policy): CompiledPolicy {
  return new CompiledPolicy(policy)
}

function compileTerm(term: PolicyTerm, at: number): CompiledTerm {
  const where = `terms[${at}]`
  const { change = {} } = term
  return {
    name: term.name ?? String(at),
    match: compileMatch(term.match ?? {}, `${where}.match`),
    unless: term.unless === undefined ? undefined : compileMatch(term.unless, `${where}.unless`),
    change: compileChange(change, `${where}.change`),
    nextHop: nextHopOf(change.nextHop, `${where}.change.nextHop`),
    med: change.med !== undefined,
    verdict: term.verdict ?? 'next',
  }
}

function compileMatch(match: PolicyMatch, where: string): Test {
  const tests: Test[] = []
  const any = <T>(name: keyof PolicyMatch, compile: (text: string) => T, test: (route: PolicyRoute, value: T) => boolean): void => {
    const values = match[name]
    if (values === undefined) return
    const compiled = values.map((text, at) => checked(`${where}.${name}[${at}]`, () => compile(text)))
    tests.push((route) => compiled.some((value) => test(route, value)))
  }
  any('family', familyOfName, ({ family }, { key }) => family.key === key)
  any('source', String, ({ source }, value) => source === value)
  any('peer', peerName, ({ peer }, value) => peer === value)
  any('origin', String, ({ set }, value) => set.attributes.origin === value)
  any('validation', String, ({ validation }, value) => validation === value)
  any(
    'rd',
    (text) => RouteDistinguisher.parse(text).toString(),
    ({ nlri }, value) => 'rd' in nlri && nlri.rd?.toString() === value,
  )
  any('prefix', parsePrefixRange, ({ nlri }, range) => {
    const prefix = prefixOf(nlri)
    return prefix !== undefined && isInRange(range, prefix)
  })
  any(
    'nextHop',
    (text) => IpPrefix.parse(text),
    ({ set }, prefix) => set.nextHop !== undefined && prefix.contains(set.nextHop.address.unmapped()),
  )
  any(
    'asPath',
    (text) => new AsPathPattern(text),
    ({ set }, pattern) => pattern.matches(set.attributes.asPath ?? []),
  )
  for (const name of COMMUNITY_NAMES) {
    any(
      name,
      (text) => communityMatcher(name, text),
      ({ set }, matches) => matches(set.attributes),
    )
  }
  return (route) => tests.every((test) => test(route))
}

function compileChange(change: PolicyChange, where: string): CompiledTerm['change'] {
  const steps: ((attributes: PathAttributes) => PathAttributes)[] = []
  const { localPref, med, origin, prepend } = change
  if (localPref !== undefined) {
    word(localPref, `${where}.localPref`)
    steps.push((attributes) => ({ ...attributes, localPref }))
  }
  if (med === 'none') steps.push(({ med: _old, ...rest }) => rest)
  else if (med !== undefined) {
    word(med, `${where}.med`)
    steps.push((attributes) => ({ ...attributes, med }))
  }
  if (origin !== undefined) steps.push((attributes) => ({ ...attributes, origin }))
  if (prepend !== undefined) {
    word(prepend.as, `${where}.prepend.as`)
    if (!(Number.isInteger(prepend.times) && prepend.times >= 1 && prepend.times <= 32)) {
      throw new PolicyError('policy.value', `${where}.prepend.times`, `${prepend.times} is not 1–32`)
    }
    const asns = Array.from({ length: prepend.times }, () => prepend.as)
    steps.push((attributes) => ({ ...attributes, asPath: prependAll(attributes.asPath ?? [], asns) }))
  }
  for (const name of COMMUNITY_NAMES) {
    const entry = change[name]
    if (entry !== undefined) steps.push(checked(`${where}.${name}`, () => communityChange(name, entry)))
  }
  if (steps.length === 0) return undefined
  return (attributes) => steps.reduce((value, step) => step(value), attributes)
}

/** AS numbers in front of a path, in the first segment where there is room (RFC 4271 §5.1.2). */
export function prependAll(path: readonly AsPathSegment[], asns: readonly number[]): AsPathSegment[] {
  const [first, ...rest] = path
  return first?.type === 'sequence' && first.asns.length + asns.length <= 255
    ? [{ type: 'sequence', asns: [...asns, ...first.asns] }, ...rest]
    : [{ type: 'sequence', asns: [...asns] }, ...path]
}

/** The prefix of a route: a host's for EVPN MAC/IP routes; `undefined` for kinds without one. */
export function prefixOf(nlri: Nlri): IpPrefix | undefined {
  if ('prefix' in nlri && nlri.prefix instanceof IpPrefix) return nlri.prefix
  if (nlri.kind === 'evpn' && nlri.route === 'mac-ip' && nlri.ip !== undefined) return IpPrefix.of(nlri.ip)
  return undefined
}

function nextHopOf(text: string | undefined, where: string): CompiledTerm['nextHop'] {
  if (text === undefined || text === 'self' || text === 'unchanged') return text
  return IpAddress.tryParse(text) ?? fail(where, `${text} is not an address, self or unchanged`)
}

function familyOfName(text: string): Family {
  const family = familyByName(text)
  if (family === undefined) throw new ValueError('bgp.policy.family', text, 'the name of a family')
  return family
}

function peerName(text: string): string {
  if (text === 'local') return text
  const address = IpAddress.tryParse(text)
  if (address === undefined) throw new ValueError('bgp.policy.peer', text, 'an address or `local`')
  return address.toString()
}

function word(value: number, where: string): void {
  if (!(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff)) fail(where, `${value} is not 0–4294967295`)
}

function checked<T>(where: string, compile: () => T): T {
  try {
    return compile()
  } catch (cause) {
    if (!(cause instanceof ValueError)) throw cause
    throw new PolicyError('policy.value', where, cause.message, { cause })
  }
}

function fail(where: string, message: string): never {
  throw new PolicyError('policy.value', where, message)
}
