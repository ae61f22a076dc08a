import { toJson } from '../message/json.js'
import type { Nlri } from './nlri.js'
import { routeTargetOf } from './route-target-membership.js'

/** Fields that say what kind of route it is, which route distinguisher, and which of several paths: each is shown in a place of its own. */
const APART: ReadonlySet<string> = new Set(['kind', 'route', 'rd', 'pathId'])

/**
 * A destination as a person reads it, without route distinguisher, labels and path identifier: `10.0.0.0/8`; `65000:65000:1` of a membership
 * (`default` for every route target); the kind of route and its fields for what is no prefix.
 */
export function formatNlri(nlri: Nlri): string {
  switch (nlri.kind) {
    case 'unicast':
    case 'labeled-unicast':
    case 'vpn':
      return String(nlri.prefix)
    case 'rtc': {
      const target = routeTargetOf(nlri)
      if (nlri.length === 0) return 'default'
      return `${nlri.originAs}:${target ?? `0x${hex(nlri.high)}${hex(nlri.low)}/${nlri.length - 32}`}`
    }
    default: {
      const fields = Object.entries(nlri).filter(([name]) => !APART.has(name))
      const kind = 'route' in nlri ? nlri.route : nlri.kind
      return [kind, ...fields.map(([name, value]) => `${name}=${textOf(value)}`)].join(' ')
    }
  }
}

function textOf(value: unknown): string {
  const json = toJson(value)
  return typeof json === 'string' ? json : JSON.stringify(json)
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0')
}
