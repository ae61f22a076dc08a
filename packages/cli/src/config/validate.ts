import { complaints } from '../schema/complaints.js'
import type { JsonSchema } from '../schema/json-schema.js'
import { violations } from '../schema/violations.js'
import { ConfigError, type ConfigProblem } from './config-error.js'
import type { ParsedFile } from './parse.js'

/**
 * Checks `parsed` against `schema`.
 *
 * @throws ConfigError `config.invalid`, with every problem in the order of the file
 */
export function validateFile(parsed: ParsedFile, schema: JsonSchema): void {
  const problems = violations(parsed.value, schema)
    .flatMap(complaints)
    .map(({ path, atKey, found, allowed }) => (atKey ? parsed.problemAtKey(path, found, allowed) : parsed.problem(path, found, allowed)))
  if (problems.length > 0) throw new ConfigError('config.invalid', parsed.file, inOrder(problems))
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
