import type { NumberRange, PolicyObject, PolicyRule } from '@heddle/core'
import type { IpPrefix } from '@heddle/wire'
import { readPrefix, writePrefix } from './prefix.js'
import { View } from './struct.js'
import { NONE, PREFIX } from './structs/address.js'
import { ATOM, POLICY } from './structs/policy.js'

/* Policies to values of maps and back: their rules as atoms, see `bpf/layout/policy.h`. */

const KINDS = { rule: 0, peers: 1, locals: 2, ports: 3, sourcePorts: 4, icmpTypes: 5 } as const
const DIRECTIONS = ['ingress', 'egress'] as const
const WORDS = ATOM.size / 4

/** Place of a direction in what a port has. */
export function directionIndex(direction: PolicyObject['direction']): number {
  return DIRECTIONS.indexOf(direction)
}

/** Atoms that the rules take. */
export function atomsOf({ rules }: Pick<PolicyObject, 'rules'>): number {
  const sizes = rules.flatMap(({ peers = [], locals = [], ports = [], sourcePorts = [], icmpTypes = [] }) => [
    1,
    ...[peers, locals, ports, sourcePorts, icmpTypes].map(({ length }) => length),
  ])
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** Writes the rules into memory of `atomsOf` atoms. */
export function writeRules(words: Uint32Array, rules: readonly PolicyRule[]): void {
  let index = 0
  const next = (kind: number): View<AtomField> => atomAt(words, index++).set('kind', kind)
  const prefixes = (kind: number, list: readonly IpPrefix[] = []): void => {
    for (const prefix of list) writePrefix(next(kind).element('prefix', PREFIX, 0), prefix)
  }
  const ranges = (kind: number, list: readonly NumberRange[] = []): void => {
    for (const { first, last } of list) next(kind).set('first', first).set('second', last)
  }
  for (const rule of rules) {
    const { verdict, protocol = NONE, peers, locals, ports, sourcePorts, icmpTypes = [], mirror = -1 } = rule
    next(KINDS.rule)
      .set('first', verdict === 'allow' ? 1 : 0)
      .set('second', protocol)
      .set('conditions', conditionsOf(rule))
      .set('mirror', mirror + 1)
    prefixes(KINDS.peers, peers)
    prefixes(KINDS.locals, locals)
    ranges(KINDS.ports, ports)
    ranges(KINDS.sourcePorts, sourcePorts)
    for (const { type, code = NONE } of icmpTypes) next(KINDS.icmpTypes).set('first', type).set('second', code)
  }
}

/** The rules of `count` atoms. */
export function readRules(words: Uint32Array, count: number): PolicyRule[] {
  const rules: PolicyRule[] = []
  for (let index = 0; index < count; index++) {
    const view = atomAt(words, index)
    if (view.get('kind') === KINDS.rule) rules.push(emptyRule(view))
    else addAlternative(rules.at(-1) as Draft, view)
  }
  return rules
}

export function encodePolicy({ port, direction, defaultVerdict }: PolicyObject, atom: number, count: number): Uint8Array {
  return new View(POLICY)
    .set('port', port)
    .set('direction', directionIndex(direction))
    .set('allows', defaultVerdict === 'allow' ? 1 : 0)
    .set('atom', atom)
    .set('atom_count', count).bytes
}

/** A policy, and where its rules are. */
export function decodePolicy(
  id: number,
  bytes: Uint8Array,
): { readonly policy: Omit<PolicyObject, 'rules'>; readonly atom: number; readonly count: number } {
  const view = new View(POLICY, bytes)
  const direction = DIRECTIONS[view.get('direction')]
  const defaultVerdict = view.get('allows') === 1 ? 'allow' : 'deny'
  return { policy: { id, port: view.get('port'), direction, defaultVerdict }, atom: view.get('atom'), count: view.get('atom_count') }
}

type AtomField = 'kind' | 'first' | 'second' | 'conditions' | 'prefix' | 'mirror' | 'reserved'

/** A rule that is being read. */
type Draft = { -readonly [Field in keyof PolicyRule]: PolicyRule[Field] }

function atomAt(words: Uint32Array, index: number): View<AtomField> {
  return new View(ATOM, new Uint8Array(words.buffer, words.byteOffset + index * WORDS * 4, ATOM.size))
}

function conditionsOf(rule: PolicyRule): number {
  const kinds = ['peers', 'locals', 'ports', 'sourcePorts', 'icmpTypes'] as const
  return kinds.reduce((mask, kind) => (rule[kind] === undefined ? mask : mask | (1 << KINDS[kind])), 0)
}

function emptyRule(view: View<AtomField>): PolicyRule {
  const conditions = view.get('conditions')
  const protocol = view.get('second')
  const mirror = view.get('mirror')
  const has = (kind: number): boolean => ((conditions >>> kind) & 1) === 1
  return {
    verdict: view.get('first') === 1 ? 'allow' : 'deny',
    ...(has(KINDS.peers) ? { peers: [] } : {}),
    ...(has(KINDS.locals) ? { locals: [] } : {}),
    ...(protocol === NONE ? {} : { protocol }),
    ...(has(KINDS.ports) ? { ports: [] } : {}),
    ...(has(KINDS.sourcePorts) ? { sourcePorts: [] } : {}),
    ...(has(KINDS.icmpTypes) ? { icmpTypes: [] } : {}),
    ...(mirror === 0 ? {} : { mirror: mirror - 1 }),
  }
}

function addAlternative(rule: Draft, view: View<AtomField>): void {
  const [first, second] = [view.get('first'), view.get('second')]
  const prefix = (): IpPrefix => readPrefix(view.element('prefix', PREFIX, 0))
  switch (view.get('kind')) {
    case KINDS.peers:
      rule.peers = [...(rule.peers ?? []), prefix()]
      break
    case KINDS.locals:
      rule.locals = [...(rule.locals ?? []), prefix()]
      break
    case KINDS.ports:
      rule.ports = [...(rule.ports ?? []), { first, last: second }]
      break
    case KINDS.sourcePorts:
      rule.sourcePorts = [...(rule.sourcePorts ?? []), { first, last: second }]
      break
    default:
      rule.icmpTypes = [...(rule.icmpTypes ?? []), { type: first, ...(second === NONE ? {} : { code: second }) }]
  }
}
