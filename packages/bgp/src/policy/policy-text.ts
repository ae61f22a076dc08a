import { COMMUNITY_NAMES, type CommunityName } from './community-kind.js'
import { compilePolicy } from './compiled-policy.js'
import { PolicyError } from './policy-error.js'
import type { CommunityChange, Policy, PolicyChange, PolicyMatch, PolicyTerm } from './policy.js'

/** Conditions by their words in the text form. */
const CONDITIONS: ReadonlyMap<string, keyof PolicyMatch> = new Map([
  ['family', 'family'],
  ['prefix', 'prefix'],
  ['rd', 'rd'],
  ['community', 'community'],
  ['large-community', 'largeCommunity'],
  ['extended-community', 'extendedCommunity'],
  ['ipv6-community', 'ipv6Community'],
  ['as-path', 'asPath'],
  ['next-hop', 'nextHop'],
  ['peer', 'peer'],
  ['source', 'source'],
  ['origin', 'origin'],
  ['validation', 'validation'],
])

interface Draft {
  name?: string
  match?: Record<string, string[]>
  unless?: Record<string, string[]>
  change?: Record<string, unknown>
  verdict?: 'accept' | 'reject' | 'next'
}

/**
 * Reads a policy from its text form: one statement a line, `#` begins a comment, values of a list stand between commas.
 *
 *     policy customers
 *     term ours
 *       match prefix 10.0.0.0/8 ge 24, 192.168.0.0/16
 *       unless community no-export, 65000:*
 *       set local-pref 200
 *       add community 65000:200
 *       delete large-community 65000:1:*
 *       prepend 65000 2
 *       accept
 *     otherwise reject
 *
 * @throws PolicyError `policy.syntax` naming the line, `policy.value` naming the place in the policy
 */
export function parsePolicy(text: string): Policy {
  let name: string | undefined
  let otherwise: 'accept' | 'reject' | undefined
  const terms: Draft[] = []
  text.split('\n').forEach((raw, index) => {
    const line = raw.replace(/#.*$/, '').trim()
    if (line === '') return
    const [word, ...words] = line.split(/\s+/)
    const rest = line.slice(word.length).trim()
    const fail = (message: string): never => {
      throw new PolicyError('policy.syntax', `line ${index + 1}`, message)
    }
    if (word === 'policy') {
      name = rest
      return
    }
    if (word === 'otherwise') {
      otherwise = rest === 'accept' || rest === 'reject' ? rest : fail('`otherwise` is followed by `accept` or `reject`')
      return
    }
    if (word === 'term') {
      terms.push(rest === '' ? {} : { name: rest })
      return
    }
    const term = terms.at(-1) ?? fail(`\`${word}\` stands in no term`)
    statement(term, word, words, rest, fail)
  })
  const policy: Policy = {
    ...(name === undefined || name === '' ? {} : { name }),
    terms,
    ...(otherwise === undefined ? {} : { otherwise }),
  }
  compilePolicy(policy)
  return policy
}

function statement(term: Draft, word: string, words: readonly string[], rest: string, fail: (message: string) => never): void {
  const behind = rest.slice(words[0]?.length ?? 0).trim()
  switch (word) {
    case 'accept':
    case 'reject':
    case 'next':
      term.verdict = word
      return
    case 'match':
    case 'unless': {
      const condition = CONDITIONS.get(words[0] ?? '') ?? fail(`\`${words[0] ?? ''}\` is not one of ${[...CONDITIONS.keys()].join(', ')}`)
      const conditions = (term[word] ??= {})
      conditions[condition] = [...(conditions[condition] ?? []), ...list(behind)]
      return
    }
    case 'prepend':
      changeOf(term)['prepend'] = { as: Number(words[0]), times: Number(words[1] ?? 1) }
      return
    case 'add':
    case 'delete':
      communities(term, word, words[0], behind, fail)
      return
    case 'set':
      return set(term, words[0], behind, fail)
    default:
      fail(`\`${word}\` is not a statement`)
  }
}

function set(term: Draft, what: string | undefined, value: string, fail: (message: string) => never): void {
  const change = changeOf(term)
  switch (what) {
    case 'local-pref':
      change['localPref'] = Number(value)
      return
    case 'med':
      change['med'] = value === 'none' ? value : Number(value)
      return
    case 'origin':
      change['origin'] = value === 'igp' || value === 'egp' || value === 'incomplete' ? value : fail('an origin is igp, egp or incomplete')
      return
    case 'next-hop':
      change['nextHop'] = value
      return
    default:
      communities(term, 'set', what, value, fail)
  }
}

function communities(
  term: Draft,
  verb: keyof CommunityChange,
  what: string | undefined,
  value: string,
  fail: (message: string) => never,
): void {
  const name = CONDITIONS.get(what ?? '')
  if (name === undefined || !isCommunityName(name))
    return fail(`\`${what ?? ''}\` cannot be ${verb === 'delete' ? 'deleted' : verb === 'add' ? 'added' : 'set'}`)
  const change = changeOf(term)
  const before = (change[name] ?? {}) as CommunityChange
  change[name] = { ...before, [verb]: [...(before[verb] ?? []), ...list(value)] }
}

function isCommunityName(name: string): name is CommunityName {
  return (COMMUNITY_NAMES as readonly string[]).includes(name)
}

function changeOf(term: Draft): Record<string, unknown> {
  return (term.change ??= {})
}

function list(text: string): string[] {
  return text === '' ? [] : text.split(',').map((value) => value.trim().replaceAll(/\s+/g, ' '))
}

/** The text form of a policy; `parsePolicy` reads it back to an equal one. */
export function formatPolicy({ name, terms, otherwise }: Policy): string {
  const lines: string[] = []
  if (name !== undefined) lines.push(`policy ${name}`)
  for (const term of terms) lines.push(...formatTerm(term))
  if (otherwise !== undefined) lines.push(`otherwise ${otherwise}`)
  return `${lines.join('\n')}\n`
}

function formatTerm({ name, match, unless, change, verdict }: PolicyTerm): string[] {
  const lines = [name === undefined ? 'term' : `term ${name}`]
  for (const [word, conditions] of [
    ['match', match],
    ['unless', unless],
  ] as const) {
    for (const [text, key] of CONDITIONS) {
      const values = conditions?.[key]
      if (values !== undefined) lines.push(`  ${word} ${text} ${values.join(', ')}`.trimEnd())
    }
  }
  lines.push(...formatChange(change ?? {}))
  if (verdict !== undefined) lines.push(`  ${verdict}`)
  return lines
}

function formatChange(change: PolicyChange): string[] {
  const lines: string[] = []
  if (change.localPref !== undefined) lines.push(`  set local-pref ${change.localPref}`)
  if (change.med !== undefined) lines.push(`  set med ${change.med}`)
  if (change.origin !== undefined) lines.push(`  set origin ${change.origin}`)
  if (change.nextHop !== undefined) lines.push(`  set next-hop ${change.nextHop}`)
  if (change.prepend !== undefined) lines.push(`  prepend ${change.prepend.as} ${change.prepend.times}`)
  for (const [text, key] of CONDITIONS) {
    if (!isCommunityName(key)) continue
    for (const verb of ['set', 'delete', 'add'] as const) {
      const values = change[key]?.[verb]
      if (values !== undefined) lines.push(`  ${verb} ${text} ${values.join(', ')}`.trimEnd())
    }
  }
  return lines
}
