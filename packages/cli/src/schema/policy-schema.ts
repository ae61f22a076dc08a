import { SPOKEN_FAMILIES, type CommunityChange, type Policy, type PolicyChange, type PolicyMatch, type PolicyTerm } from '@heddle/bgp'
import { arrayOf, closed, text, type JsonSchema } from './json-schema.js'
import { integer, name, oneOf } from './value-schemas.js'
import type { RowSchema } from './view-schemas.js'

const values: JsonSchema = { type: 'array', items: text, minItems: 1 }
const u32 = integer(0, 4_294_967_295)

/** Conditions by name, so that none can be forgotten. */
const match: RowSchema<Required<PolicyMatch>> = {
  family: { type: 'array', items: oneOf(...SPOKEN_FAMILIES), minItems: 1 },
  prefix: values,
  rd: values,
  community: values,
  largeCommunity: values,
  extendedCommunity: values,
  ipv6Community: values,
  asPath: values,
  nextHop: values,
  peer: values,
  source: { type: 'array', items: oneOf('local', 'ibgp', 'ebgp'), minItems: 1 },
  origin: { type: 'array', items: oneOf('igp', 'egp', 'incomplete'), minItems: 1 },
  validation: { type: 'array', items: oneOf('valid', 'invalid', 'not-found'), minItems: 1 },
}

const list: JsonSchema = { type: 'array', items: text }
const communityFields: RowSchema<Required<CommunityChange>> = { set: list, delete: list, add: list }
const community = closed(communityFields, [])

const change: RowSchema<Required<PolicyChange>> = {
  localPref: u32,
  med: {
    type: ['integer', 'string'],
    anyOf: [{ const: 'none' }, { type: 'integer', minimum: 0, maximum: 4_294_967_295 }],
    description: '0–4294967295, or none',
  },
  origin: oneOf('igp', 'egp', 'incomplete'),
  nextHop: { type: 'string', description: 'an address, self or unchanged' },
  prepend: closed({ as: integer(1, 4_294_967_295), times: integer(1, 32) }),
  community,
  largeCommunity: community,
  extendedCommunity: community,
  ipv6Community: community,
}

/** Conditions on a route. */
export const matchSchema: JsonSchema = closed(match, [])

const term: RowSchema<Required<PolicyTerm>> = {
  name: text,
  match: matchSchema,
  unless: matchSchema,
  change: closed(change, []),
  verdict: oneOf('accept', 'reject', 'next'),
}

const policyFields: RowSchema<Required<Omit<Policy, 'name'>>> = {
  terms: arrayOf(closed(term, [])),
  otherwise: oneOf('accept', 'reject'),
}

/** A policy as data. */
export const policySchema: JsonSchema = closed(policyFields, ['terms'])

/** Policies by name: as data, or in the text form of `parsePolicy`. */
export const policiesSchema: JsonSchema = {
  type: 'object',
  propertyNames: name,
  additionalProperties: {
    type: ['object', 'string'],
    if: { type: 'object' },
    // oxlint-disable-next-line unicorn/no-thenable -- a key of JSON schema
    then: policySchema,
    description: 'a policy: text of terms, or a mapping with terms',
  },
  description: 'policies by name',
}

/** Names of policies that a neighbor's routes go through, one after the other; for all families, or by family. */
export const policyUseSchema: JsonSchema = {
  type: ['string', 'array', 'object'],
  items: text,
  properties: Object.fromEntries(
    SPOKEN_FAMILIES.map((family) => [
      family,
      { type: ['string', 'array'], items: text, description: 'the name of a policy, or a list of names' },
    ]),
  ),
  additionalProperties: false,
  description: 'the name of a policy, a list of names, or a mapping of families to these',
}
