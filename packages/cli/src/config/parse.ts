import { isCollection, isMap, isPair, isScalar, LineCounter, parseDocument, type Document, type Node, type Pair } from 'yaml'
import { ConfigError, type ConfigProblem } from './config-error.js'

/** Where something is, as keys and indices from the top. */
export type ConfigPath = readonly (string | number)[]

/** A file that is YAML: its value, and the way from a path back to a line. */
export interface ParsedFile {
  readonly file: string
  readonly value: unknown
  /** The problem at the value of `path`, or the nearest thing around it that is in the file. */
  problem(path: ConfigPath, found: string, allowed: string): ConfigProblem
  /** The problem at a line, from 1, of the text at `path`; at its beginning where its lines are not those of the file. */
  problemInText(path: ConfigPath, line: number, found: string, allowed: string): ConfigProblem
  /** The problem at the last key of `path`. */
  problemAtKey(path: ConfigPath, found: string, allowed: string): ConfigProblem
}

/**
 * Reads YAML 1.2 (JSON is a part of it).
 *
 * @throws ConfigError `config.syntax`
 */
export function parseFile(file: string, text: string): ParsedFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const wrong = [...document.errors, ...document.warnings]
  if (wrong.length > 0) {
    throw new ConfigError(
      'config.syntax',
      file,
      wrong.map(({ message, pos, code }) => ({
        ...place(pos[0]),
        path: '',
        found: code === 'DUPLICATE_KEY' ? `the key ${keyAt(text, pos[0])} a second time` : firstSentence(message),
        allowed: code === 'DUPLICATE_KEY' ? 'each key once' : 'YAML 1.2',
      })),
    )
  }
  const at = (path: ConfigPath, key: boolean) => place(offsetOf(document, path, key))
  return {
    file,
    value: document.toJS({ maxAliasCount: 100 }),
    problem: (path, found, allowed) => ({ ...at(path, false), path: formatPath(path), found, allowed }),
    problemInText: (path, line, found, allowed) => {
      const offset = offsetOf(document, path, false)
      const start = place(offset)
      const isBlock = text[offset] === '|'
      return { ...(isBlock ? { line: start.line + line, column: 1 } : start), path: formatPath(path), found, allowed }
    },
    problemAtKey: (path, found, allowed) => ({ ...at(path, true), path: formatPath(path), found, allowed }),
  }
}

/** `bgp.neighbors[0].as`. */
export function formatPath(path: ConfigPath): string {
  return path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('')
}

function offsetOf(document: Document, path: ConfigPath, key: boolean): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const [index, part] of path.entries()) {
    if (!isCollection(node)) return offset
    const isLast = index === path.length - 1
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
      )
      if (pair === undefined) return offset
      offset = startOf(pair.key) ?? offset
      if (isLast && key) return offset
      node = pair.value
    } else node = node.items[Number(part)]
    offset = startOf(node) ?? offset
  }
  return offset
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0]
}

function firstSentence(message: string): string {
  return message.split('\n')[0]
}

function keyAt(text: string, offset: number): string {
  return /^[^\s:]+/.exec(text.slice(offset))?.[0] ?? ''
}
