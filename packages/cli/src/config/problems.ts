import { IpAddress } from '@heddle/wire'
import type { ConfigProblem } from './config-error.js'
import { didYouMean } from './did-you-mean.js'
import type { ConfigPath, ParsedFile } from './parse.js'

/** Later entries whose `keyOf` an earlier one has; those without a key are left alone. */
export function repeated<T extends object>(
  parsed: ParsedFile,
  at: ConfigPath,
  field: keyof T & string,
  entries: readonly T[],
  keyOf: (entry: T) => string | undefined,
  allowed: string,
): ConfigProblem[] {
  const first = new Map<string, number>()
  return entries.flatMap((entry, index) => {
    const key = keyOf(entry)
    if (key === undefined) return []
    const earlier = first.get(key)
    if (earlier === undefined) {
      first.set(key, index)
      return []
    }
    return [parsed.problem([...at, index, field], `${JSON.stringify(key)}, as in entry ${earlier}`, allowed)]
  })
}

/** Tunnel ends and neighbours are single hosts. */
export function addressProblem(parsed: ParsedFile, path: ConfigPath, text: string): ConfigProblem[] {
  const address = IpAddress.parse(text)
  return address.isUnspecified || address.isMulticast ? [parsed.problem(path, JSON.stringify(text), 'the address of one host')] : []
}

/** A name that nothing has. @param where the names stand */
export function unknownName(parsed: ParsedFile, path: ConfigPath, name: string, names: readonly string[], where: string): ConfigProblem {
  const near = didYouMean(name, names)
  const list = `${names.join(', ')}${near === undefined ? '' : ` (did you mean "${near}"?)`}`
  return parsed.problem(path, JSON.stringify(name), names.length === 0 ? `a name from ${where}, which has none` : list)
}
