import { PolicyError, compilePolicy, parsePolicy, type FamilyName, type Policy, type PolicyTerm } from '@heddle/bgp'
import type { BgpSection, PolicyUse } from './bgp-document.js'

/** The policies of a section by name. */
export type Policies = ReadonlyMap<string, Policy>

/** A policy that cannot be used, by its name. */
export interface PolicyFault {
  readonly name: string
  readonly error: PolicyError
}

/** Reads the policies of a section: those that can be used, and what is wrong with the others. */
export function readPolicies({ policies = {} }: Pick<BgpSection, 'policies'>): { policies: Policies; faults: PolicyFault[] } {
  const out = new Map<string, Policy>()
  const faults: PolicyFault[] = []
  for (const [name, section] of Object.entries(policies)) {
    try {
      const policy = typeof section === 'string' ? parsePolicy(section) : section
      compilePolicy(policy)
      out.set(name, { ...policy, name })
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error
      faults.push({ name, error })
    }
  }
  return { policies: out, faults }
}

/** The names that a use has, with the keys that lead to each. */
export function namesOf(use: PolicyUse): { readonly path: readonly (string | number)[]; readonly name: string }[] {
  if (typeof use === 'string') return [{ path: [], name: use }]
  if (isList(use)) return use.map((name, at) => ({ path: [at], name }))
  return Object.entries(use).flatMap(([family, names]) => namesOf(names).map(({ path, name }) => ({ path: [family, ...path], name })))
}

/**
 * One policy for what a neighbor names: a route goes through the policies in their order until a term, or what a policy says of all others,
 * decides; at the end of the last one it is rejected. By family, each family goes through its own, and those that are not named are accepted.
 * Terms are called `policy/term`.
 *
 * @param policies has every name of `use`
 */
export function policyFor(use: PolicyUse, policies: Policies): Policy {
  if (typeof use === 'string' || isList(use))
    return {
      name: namesOf(use)
        .map(({ name }) => name)
        .join(' '),
      terms: chain(use, policies),
    }
  const terms = Object.entries(use).flatMap(([family, names]) =>
    chain(names, policies).flatMap((term) => restricted(term, family as FamilyName)),
  )
  return { name: 'by family', terms, otherwise: 'accept' }
}

function chain(use: string | readonly string[], policies: Policies): PolicyTerm[] {
  const names = typeof use === 'string' ? [use] : use
  return names.flatMap((name, at): PolicyTerm[] => {
    const { terms = [], otherwise } = policies.get(name) ?? {}
    const verdict = otherwise ?? (at === names.length - 1 ? 'reject' : undefined)
    return [
      ...terms.map((term, index) => ({ ...term, name: `${name}/${term.name ?? index + 1}` })),
      ...(verdict === undefined ? [] : [{ name: `${name}/otherwise`, verdict }]),
    ]
  })
}

/** The term for one family alone; none where it was never for that family. */
function restricted(term: PolicyTerm, family: FamilyName): PolicyTerm[] {
  const own = term.match?.family
  return own !== undefined && !own.includes(family) ? [] : [{ ...term, match: { ...term.match, family: [family] } }]
}

function isList(use: PolicyUse): use is readonly string[] {
  return Array.isArray(use)
}
