import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { AuthenticationSection, BgpSection, SecretSection } from './bgp-document.js'
import type { ConfigProblem } from './config-error.js'
import type { ConfigPath, ParsedFile } from './parse.js'

const SOURCES = ['key', 'keyFile', 'keyEnv'] as const satisfies readonly (keyof SecretSection)[]
/** RFC 2385 and Linux have room for so many octets. */
const LONGEST = 80

/**
 * The section with each key in the place of where it is to be found.
 *
 * @param problems gets what is wrong with them
 */
export function withSecrets(parsed: ParsedFile, bgp: BgpSection, problems: ConfigProblem[]): BgpSection {
  const filled = <Section extends { readonly authentication?: AuthenticationSection }>(section: Section, at: ConfigPath): Section => {
    const { authentication } = section
    if (authentication === undefined) return section
    return { ...section, authentication: authenticationOf(parsed, authentication, [...at, 'authentication'], problems) }
  }
  const { neighbors, dynamicNeighbors, groups } = bgp
  return {
    ...bgp,
    ...(groups === undefined
      ? {}
      : { groups: Object.fromEntries(Object.entries(groups).map(([name, group]) => [name, filled(group, ['bgp', 'groups', name])])) }),
    ...(neighbors === undefined ? {} : { neighbors: neighbors.map((one, at) => filled(one, ['bgp', 'neighbors', at])) }),
    ...(dynamicNeighbors === undefined
      ? {}
      : { dynamicNeighbors: dynamicNeighbors.map((one, at) => filled(one, ['bgp', 'dynamicNeighbors', at])) }),
  }
}

function authenticationOf(
  parsed: ParsedFile,
  section: AuthenticationSection,
  at: ConfigPath,
  problems: ConfigProblem[],
): AuthenticationSection {
  const { kind, keys } = section
  const own = SOURCES.some((name) => section[name] !== undefined)
  if (kind === 'tcp-md5') {
    if (keys !== undefined)
      problems.push(parsed.problem([...at, 'keys'], 'a list', 'nothing: TCP MD5 has one key (key, keyFile or keyEnv)'))
    return { kind, key: secretOf(parsed, section, at, problems) }
  }
  if (own || keys === undefined)
    problems.push(parsed.problem(at, own ? 'a single key' : 'no keys', 'keys: a list, each with sendId, receiveId, algorithm and a key'))
  return {
    kind,
    keys: (keys ?? []).map(({ sendId, receiveId, algorithm, ...secret }, index) => ({
      sendId,
      receiveId,
      algorithm,
      key: secretOf(parsed, secret, [...at, 'keys', index], problems),
    })),
  }
}

/** The key; an empty text where there is none, with the problem. */
function secretOf(parsed: ParsedFile, section: SecretSection, at: ConfigPath, problems: ConfigProblem[]): string {
  const given = SOURCES.filter((name) => section[name] !== undefined)
  const [source] = given
  const fail = (path: ConfigPath, found: string, allowed: string): string => {
    problems.push(parsed.problem(path, found, allowed))
    return ''
  }
  if (source === undefined || given.length > 1)
    return fail(at, given.length === 0 ? 'no key' : given.join(' and '), 'exactly one of key, keyFile, keyEnv')
  const text = section[source] ?? ''
  const found = source === 'key' ? text : source === 'keyEnv' ? process.env[text] : firstLine(resolve(dirname(parsed.file), text))
  const where = [...at, source]
  if (found instanceof Error) return fail(where, `${JSON.stringify(text)} (${found.message})`, 'a file that can be read')
  if (found === undefined) return fail(where, JSON.stringify(text), 'the name of an environment variable that is set')
  const length = new TextEncoder().encode(found).length
  // what is wrong is told, and never the key
  return length >= 1 && length <= LONGEST ? found : fail(where, `a key of ${length} octets`, `a key of 1–${LONGEST} octets`)
}

function firstLine(file: string): string | Error {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/)[0]
  } catch (error) {
    return error instanceof Error ? error : new TypeError(String(error))
  }
}
