import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nodeSchema, speakerSchema } from './config-schema.js'
import { FORMATS } from './formats.js'
import type { JsonSchema } from './json-schema.js'
import { SCHEMAS } from './schemas.js'
import { violations } from './violations.js'

/** The oracle: another validator, by another author, that compiles where ours interprets. */
function compiled(schema: JsonSchema): ValidateFunction {
  const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: true, allowUnionTypes: true })
  for (const [name, accepts] of Object.entries(FORMATS)) ajv.addFormat(name, accepts)
  return ajv.compile(schema)
}

/** Where the oracle finds fault, and by which keyword; like ours without what only repeats. */
function faults(validate: ValidateFunction, value: unknown): string[] {
  validate(value)
  const isTelling = ({ schemaPath, keyword }: ErrorObject): boolean =>
    !['if', 'propertyNames'].includes(keyword) && !schemaPath.includes('/anyOf/')
  const of = ({ keyword, instancePath, propertyName }: ErrorObject): string =>
    `${keyword} ${instancePath.replaceAll('~1', '/').replaceAll('~0', '~')}${propertyName === undefined ? '' : `/${propertyName}`}`
  return [...new Set((validate.errors ?? []).filter(isTelling).map(of))].toSorted()
}

/** Without repeated items of a list whose items are of a wrong type, too: the oracle compares only those of the right one. */
function comparable(found: readonly string[]): string[] {
  const isBeside = (list: string): boolean => found.some((one) => one.startsWith(`type ${list}/`))
  return found.filter((one) => !one.startsWith('uniqueItems ') || !isBeside(one.slice('uniqueItems '.length)))
}

function ours(value: unknown, schema: JsonSchema): string[] {
  return [
    ...new Set(violations(value, schema).map(({ keyword, path }) => [`${keyword} `, ...path].join('/').replace(' /', ' /'))),
  ].toSorted()
}

const neighbor = {
  families: ['vpnv4-unicast', 'rtc'],
  gracefulRestart: { longLived: 5 },
  importPolicy: { 'vpnv4-unicast': ['a'] },
  exportPolicy: 'a',
  maxPrefixes: { 'ipv4-unicast': { limit: 3, restart: 0.5 } },
  authentication: { kind: 'tcp-ao', keys: [{ sendId: 1, receiveId: 2, algorithm: 'aes-128-cmac-96', keyEnv: 'KEY' }] },
  siteOfOrigin: '65000:7',
}
const bgp = {
  as: 65000,
  routerId: '192.0.2.1',
  holdTime: 0,
  listen: [{ address: '192.0.2.1', port: 0 }],
  policies: { a: { terms: [{ name: 't', match: { community: ['65000:*'] }, change: { med: 'none' }, verdict: 'accept' }] }, b: 'accept' },
  groups: { g: neighbor },
  neighbors: [{ address: 'fe80::1%eth0', as: 65000, ...neighbor }],
  dynamicNeighbors: [{ prefix: '192.0.2.0/24', group: 'g', limit: 3 }],
  networks: [{ prefix: '10.0.0.0/8', rd: '65000:1', label: 16, routeTargets: ['65000:1', '65000:2'] }],
  mrt: { updates: { path: '/var/log/bgp' } },
}
const speaker = { node: { name: 's', address: '192.0.2.1' }, socket: '/run/s.sock', bgp }
const node = {
  node: { name: 'n', address: '192.0.2.1' },
  bgp,
  vrfs: [{ name: 'red', rd: '65000:1', import: ['65000:1'], staticRoutes: [{ prefix: '10.9.0.0/16', via: 'discard' }] }],
  endpoints: [{ vrf: 'red', netns: '/run/netns/a', ifname: 'eth0', addresses: ['10.1.0.1', 'fd00::1'] }],
  policies: [
    { name: 'p', vrf: 'red', ingress: { default: 'deny', rules: [{ action: 'allow', protocol: 'tcp', ports: ['80', '8000-8080'] }] } },
  ],
  services: [{ name: 's', vrf: 'red', address: '10.2.0.1', protocol: 'tcp', port: 80, backends: [{ address: '10.1.0.1' }] }],
  dataplane: { kind: 'tun' },
  cni: { networks: [{ name: 'red', pools: [{ prefix: '10.1.0.0/24', block: { length: 28, indices: [1] } }] }] },
}

type Container = Record<string, unknown>

/** Every mapping and list of a document. */
function containers(value: unknown): Container[] {
  if (typeof value !== 'object' || value === null) return []
  return [value as Container, ...Object.values(value).flatMap(containers)]
}

/** Values that no one place takes all of. */
const NASTY: readonly unknown[] = [
  null,
  '',
  'a',
  '~/%#é',
  '10.0.0.1',
  '65000:1',
  0,
  -1,
  1.5,
  70_000,
  5e9,
  true,
  [],
  {},
  [1, 1],
  ['a', 'b', 'a'],
  { a: 1 },
]

interface Change {
  readonly at: number
  readonly key: number
  readonly how: 'replace' | 'delete' | 'add' | 'rename' | 'repeat'
  readonly value: unknown
}

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(),
  key: fc.nat(),
  how: fc.constantFrom('replace', 'delete', 'add', 'rename', 'repeat'),
  value: fc.constantFrom(...NASTY),
})

function applied(document: object, changes: readonly Change[]): unknown {
  const copy: unknown = structuredClone(document)
  for (const { at, key, how, value } of changes) {
    const all = containers(copy)
    const container = all[at % all.length]
    const keys = Object.keys(container)
    const one = keys[key % Math.max(1, keys.length)]
    if (Array.isArray(container)) {
      if (how === 'delete') container.pop()
      else container.push(how === 'repeat' ? structuredClone(container[0] ?? null) : structuredClone(value))
    } else if (how === 'add' || keys.length === 0) container[`x~/%#${key % 3}`] = structuredClone(value)
    else if (how === 'replace') container[one] = structuredClone(value)
    else {
      if (how === 'rename') container[`${one}s`] = container[one]
      delete container[one]
    }
  }
  return copy
}

describe.each([
  ['a node', nodeSchema, node],
  ['a speaker', speakerSchema, speaker],
] as const)('violations of the schema of %s', (_name, schema, document) => {
  const oracle = compiled(schema)

  it('are none in a good document', () => {
    expect([faults(oracle, document), ours(document, schema)]).toEqual([[], []])
  })

  it('are those that an independent validator finds, at the same places', () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const changed = applied(document, changes)
        expect(comparable(ours(changed, schema))).toEqual(comparable(faults(oracle, changed)))
      }),
      { numRuns: 200 },
    )
  })
})

describe('violations', () => {
  it.each([
    [{ bgp: { as: NaN } }, ['unusable /bgp/as']],
    [{ bgp: [Infinity] }, ['unusable /bgp/0']],
    [{ '\ud800': 1 }, ['unusable /\ud800']],
  ])('are what JSON cannot say, whatever the schema: %j', (value, expected) => {
    expect(ours(value, nodeSchema)).toEqual(expected)
  })

  it('are told of nothing at all', () => {
    expect(ours(undefined, nodeSchema)).toEqual(['type '])
  })
})

it.each(Object.entries(SCHEMAS))('%s.schema.json is a schema', (_name, schema) => {
  expect(() => compiled(schema)).not.toThrow()
})

it.each(Object.entries({ ...SCHEMAS, node: nodeSchema, speaker: speakerSchema }))(
  'what values of %s are compared with has no references',
  (_name, schema) => {
    expect(JSON.stringify(schema)).not.toContain('"$ref"')
  },
)
