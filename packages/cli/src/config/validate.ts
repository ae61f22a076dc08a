import { addressOf } from '@heddle/bgp'
import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { ConfigError, type ConfigProblem } from './config-error.js'
import { didYouMean } from './did-you-mean.js'
import { type ConfigPath, type ParsedFile } from './parse.js'
import type { JsonSchema } from '../schema/json-schema.js'

const validators = new WeakMap<JsonSchema, ValidateFunction>()

/**
 * Checks `parsed` against `schema`.
 *
 * @throws ConfigError `config.invalid`, with every problem in the order of the file
 */
export function validateFile(parsed: ParsedFile, schema: JsonSchema): void {
  const validate = validatorOf(schema)
  if (validate(parsed.value)) return
  const problems = (validate.errors ?? []).filter(isTelling).map((error) => problemOf(parsed, error))
  throw new ConfigError('config.invalid', parsed.file, inOrder(problems))
}

/** The compiled validator of `schema`, with the formats that Heddle's schemas use. */
export function validatorOf(schema: JsonSchema): ValidateFunction {
  const known = validators.get(schema)
  if (known !== undefined) return known
  const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: true, allowUnionTypes: true })
  for (const [name, accepts] of Object.entries(FORMATS)) ajv.addFormat(name, accepts)
  const validate = ajv.compile(schema)
  validators.set(schema, validate)
  return validate
}

/** One problem a place, from the top of the file down. */
export function inOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const seen = new Set<string>()
  return problems
    .filter(({ line, column, path }) => {
      const key = `${line}:${column}:${path}`
      return !seen.has(key) && seen.add(key)
    })
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
}

/** Whether `parse` takes the text. */
function isAccepted(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch {
    return false
  }
}

const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'ip-address': (text) => IpAddress.tryParse(text) !== undefined,
  'neighbor-address': (text) => isAccepted(() => addressOf(text)),
  'ip-prefix': (text) => isAccepted(() => IpPrefix.parse(text)),
  'ip-host': (text) => isAccepted(() => IpPrefix.parse(text)) && IpPrefix.parse(text).isHost,
  'router-id': (text) => {
    const address = IpAddress.tryParse(text)
    return address?.family === 4 && !address.isUnspecified
  },
  'next-hop': (text) => text === 'discard' || IpAddress.tryParse(text) !== undefined,
  'route-distinguisher': (text) => isAccepted(() => RouteDistinguisher.parse(text)),
  'route-target': (text) => isAccepted(() => RouteTarget.parse(text)),
}

/** The branches of `anyOf` say less than the whole, and `if` less than its branch. */
function isTelling({ schemaPath, keyword }: ErrorObject): boolean {
  return keyword === 'anyOf' || (keyword !== 'if' && !schemaPath.includes('/anyOf/'))
}

function problemOf(parsed: ParsedFile, error: ErrorObject): ConfigProblem {
  const path = pathOf(error.instancePath, parsed.value)
  const schema = error.parentSchema as JsonSchema
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(error.params.additionalProperty)
      const keys = Object.keys(schema.properties as object)
      const near = didYouMean(key, keys)
      return parsed.problemAtKey(
        [...path, key],
        `the unknown key "${key}"`,
        `${keys.join(', ')}${near === undefined ? '' : ` (did you mean "${near}"?)`}`,
      )
    }
    case 'required': {
      const key = String(error.params.missingProperty)
      const wanted = (schema.properties as Record<string, JsonSchema>)[key]
      return parsed.problem([...path, key], 'nothing', `${describe(wanted)} (the key "${key}" is required)`)
    }
    case 'enum': {
      const values = (schema.enum as readonly unknown[]).map(String)
      const near = typeof error.data === 'string' ? didYouMean(error.data, values) : undefined
      return parsed.problem(path, show(error.data), `${values.join(', ')}${near === undefined ? '' : ` (did you mean "${near}"?)`}`)
    }
    case 'uniqueItems': {
      const { i, j } = error.params as { i: number; j: number }
      const later = Math.max(i, j)
      return parsed.problem([...path, later], `${show((error.data as unknown[])[later])} a second time`, 'each value once')
    }
    default:
      // a key is not shown, whatever is wrong with it
      return parsed.problem(path, schema.writeOnly === true ? 'a value that is not shown' : show(error.data), describe(schema))
  }
}

/** What a schema allows, in words. */
function describe(schema: JsonSchema): string {
  const { type, description, minimum, maximum, minItems } = schema as {
    readonly type?: string
    readonly description?: string
    readonly minimum?: number
    readonly maximum?: number
    readonly minItems?: number
  }
  switch (type) {
    case 'integer':
      if (minimum === undefined || maximum === undefined) return description ?? 'an integer'
      return `${description === undefined ? '' : `${description}, `}an integer of ${minimum}–${maximum}`
    case 'boolean':
      return 'true or false'
    case 'array':
      return `a list${minItems === undefined ? '' : ` of at least ${minItems}`}`
    case 'object':
      return `a mapping with the keys ${Object.keys(schema.properties ?? {}).join(', ')}`
    default:
      if (schema.enum !== undefined) return (schema.enum as readonly unknown[]).map(String).join(', ')
      return description ?? 'text'
  }
}

/** A value as it is shown in an error: short, and on one line. */
export function show(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a mapping'
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

/** A JSON pointer as a path; a part is an index where the value around it is a list. */
function pathOf(pointer: string, root: unknown): ConfigPath {
  const path: (string | number)[] = []
  let value = root
  for (const raw of pointer.split('/').slice(1)) {
    const part = raw.replaceAll('~1', '/').replaceAll('~0', '~')
    path.push(Array.isArray(value) ? Number(part) : part)
    value = (value as Record<string, unknown> | undefined)?.[part]
  }
  return path
}
