import { RouteTarget, ValueError } from '@heddle/wire'
import type { Policy, PolicyTerm } from '../../policy/policy.js'
import type { NeighborConfig, SpeakerConfig } from '../config.js'
import type { PeerConfig } from './peer-config.js'
import { SpeakerError } from '../speaker-error.js'

const CUSTOMER_FAMILIES: ReadonlySet<string> = new Set<NeighborConfig['families'][number]>(['ipv4-unicast', 'ipv6-unicast'])

/** Checks what a peer in a VRF must be. @param at where it stands in the configuration @throws SpeakerError `speaker.config` */
export function checkCustomer({ vrf, families }: NeighborConfig, { vrfs = [] }: SpeakerConfig, at: string): void {
  if (vrf === undefined) return
  const refuse = (key: string, message: string): never => {
    throw new SpeakerError('speaker.config', `${at}.${key}`, message)
  }
  if (!vrfs.some(({ name }) => name === vrf)) refuse('vrf', `there is no VRF '${vrf}'`)
  const other = families.find((family) => !CUSTOMER_FAMILIES.has(family))
  if (other !== undefined) refuse('families', `${other} is not one of a VRF: ${[...CUSTOMER_FAMILIES].join(', ')}`)
}

/** The AS number that a neighbor's VRF has of its own. */
export function vrfAsOf({ vrf }: NeighborConfig, { vrfs = [] }: SpeakerConfig): number | undefined {
  return vrf === undefined ? undefined : vrfs.find(({ name }) => name === vrf)?.as
}

/** Whether a peer is a customer in its VRF's own AS (RFC 6368), to which we are what a route reflector is to its client. */
export function isInternalCustomer({ neighbor, relation }: Pick<PeerConfig, 'neighbor' | 'relation'>): boolean {
  return neighbor.vrf !== undefined && relation === 'internal'
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
