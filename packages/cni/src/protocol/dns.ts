import type { FieldReader } from './json.js'

/** How names are resolved inside a container. */
export interface CniDns {
  readonly nameservers?: readonly string[]
  readonly domain?: string
  readonly search?: readonly string[]
  readonly options?: readonly string[]
}

/** Reads a `dns` object; what is missing stays so. @throws CniError */
export function readDns(fields: FieldReader | undefined): CniDns {
  if (fields === undefined) return {}
  const domain = fields.text('domain')
  const lists = (['nameservers', 'search', 'options'] as const).map((name) => [name, fields.texts(name)] as const)
  return { ...(domain === undefined ? {} : { domain }), ...Object.fromEntries(lists.filter(([, list]) => list.length > 0)) }
}

export function isEmptyDns(dns: CniDns): boolean {
  return Object.keys(dns).length === 0
}
