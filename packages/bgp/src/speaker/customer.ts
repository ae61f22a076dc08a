import { RouteTarget, ValueError } from '@heddle/wire'
import type { Policy, PolicyTerm } from '../policy/policy.js'
import type { NeighborConfig, SpeakerConfig } from './config.js'
import { SpeakerError } from './speaker-error.js'

const CUSTOMER_FAMILIES: ReadonlySet<string> = new Set<NeighborConfig['families'][number]>(['ipv4-unicast', 'ipv6-unicast'])

/** Checks what a peer in a VRF must be. @param at where it stands in the configuration @throws SpeakerError `speaker.config` */
export function checkCustomer({ vrf, as, families }: NeighborConfig, { vrfs = [], as: own }: SpeakerConfig, at: string): void {
  if (vrf === undefined) return
  const refuse = (key: string, message: string): never => {
    throw new SpeakerError('speaker.config', `${at}.${key}`, message)
  }
  if (!vrfs.some(({ name }) => name === vrf)) refuse('vrf', `there is no VRF '${vrf}'`)
  if (as === own) refuse('as', `a peer in a VRF is in another AS; iBGP between PE and CE (RFC 6368) is not there`)
  const other = families.find((family) => !CUSTOMER_FAMILIES.has(family))
  if (other !== undefined) refuse('families', `${other} is not one of a VRF: ${[...CUSTOMER_FAMILIES].join(', ')}`)
}

/** What a site of origin adds in front of a neighbor's policies (RFC 4364 §7). */
export interface SiteTerms {
  readonly imports: PolicyTerm
  readonly exports: PolicyTerm
}

/** @throws SpeakerError `speaker.config` */
export function siteTerms(site: string | undefined, at: string): SiteTerms | undefined {
  if (site === undefined) return undefined
  const mark = `soo:${site}`
  try {
    RouteTarget.parse(site)
  } catch (cause) {
    if (!(cause instanceof ValueError)) throw cause
    throw new SpeakerError('speaker.config', `${at}.siteOfOrigin`, cause.message, { cause })
  }
  return {
    imports: { name: 'site-of-origin', change: { extendedCommunity: { add: [mark] } } },
    exports: { name: 'site-of-origin', match: { extendedCommunity: [mark] }, verdict: 'reject' },
  }
}

/** A policy behind a term; without one, everything that the term does not judge is accepted. */
export function behind(term: PolicyTerm | undefined, policy: Policy | undefined): Policy | undefined {
  if (term === undefined) return policy
  return policy === undefined ? { terms: [term], otherwise: 'accept' } : { ...policy, terms: [term, ...policy.terms] }
}
