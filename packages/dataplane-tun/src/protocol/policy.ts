import type { NumberRange, PolicyObject, PolicyRule } from '@heddle/core'
import { list, number, prefix, record, text, type Json } from './json.js'

/* Policies as they come out of JSON, as `objects.ts` reads the other tables. */

export function policyFrom(json: unknown): PolicyObject {
  const from = record(json, 'policy')
  return {
    id: number(from['id'], 'policy.id'),
    port: number(from['port'], 'policy.port'),
    direction: text(from['direction'], 'policy.direction') as PolicyObject['direction'],
    rules: list(from['rules'], 'policy.rules', ruleFrom),
    defaultVerdict: text(from['defaultVerdict'], 'policy.defaultVerdict') as PolicyObject['defaultVerdict'],
  }
}

function ruleFrom(json: unknown): PolicyRule {
  const from = record(json, 'rule')
  return {
    verdict: text(from['verdict'], 'rule.verdict') as PolicyRule['verdict'],
    ...optional(from, 'peers', prefix),
    ...optional(from, 'locals', prefix),
    ...(from['protocol'] === undefined ? {} : { protocol: number(from['protocol'], 'rule.protocol') }),
    ...optional(from, 'ports', rangeFrom),
    ...optional(from, 'sourcePorts', rangeFrom),
    ...optional(from, 'icmpTypes', icmpTypeFrom),
    ...(from['mirror'] === undefined ? {} : { mirror: number(from['mirror'], 'rule.mirror') }),
  }
}

function optional<K extends string, T>(from: Json, key: K, each: (item: unknown, what: string) => T): { readonly [key in K]?: T[] } {
  return from[key] === undefined ? {} : ({ [key]: list(from[key], `rule.${key}`, each) } as { [key in K]: T[] })
}

function rangeFrom(json: unknown, what: string): NumberRange {
  const from = record(json, what)
  return { first: number(from['first'], `${what}.first`), last: number(from['last'], `${what}.last`) }
}

function icmpTypeFrom(json: unknown, what: string): { readonly type: number; readonly code?: number } {
  const from = record(json, what)
  const type = number(from['type'], `${what}.type`)
  return from['code'] === undefined ? { type } : { type, code: number(from['code'], `${what}.code`) }
}
