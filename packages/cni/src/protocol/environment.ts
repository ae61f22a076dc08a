import { CniError } from './cni-error.js'
import { CNI_CODES } from './codes.js'
import { ifnameProblem, isIdentifier } from './names.js'

/** What a runtime can ask of a plugin (CNI 1.1.0, "CNI operations"). */
export const CNI_VERBS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const

/** One of `CNI_VERBS`. */
export type CniVerb = (typeof CNI_VERBS)[number]

/** Environment variables, by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** What the environment of a plugin says (CNI 1.1.0, "Parameters"). */
export interface CniParameters {
  /** Empty where the verb takes none. */
  readonly containerId: string
  /** Path of the namespace; empty where the verb takes none, and in a DEL of which the namespace is gone. */
  readonly netns: string
  /** Name of the interface inside the container; empty where the verb takes none. */
  readonly ifname: string
  /** `CNI_ARGS`. */
  readonly args: Readonly<Record<string, string>>
  /** Folders of `CNI_PATH` in which delegated plugins are looked for. */
  readonly path: readonly string[]
}

type Variable = 'CNI_CONTAINERID' | 'CNI_NETNS' | 'CNI_IFNAME' | 'CNI_PATH'

const REQUIRED: Readonly<Record<CniVerb, readonly Variable[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  GC: ['CNI_PATH'],
  STATUS: [],
  VERSION: [],
}

/** The verb of a call. @throws CniError 4 when `CNI_COMMAND` is missing or no verb */
export function readVerb(environment: Environment): CniVerb {
  const text = environment['CNI_COMMAND'] ?? ''
  const verb = CNI_VERBS.find((known) => known === text)
  if (verb !== undefined) return verb
  const found = text === '' ? 'CNI_COMMAND is missing' : `CNI_COMMAND ${JSON.stringify(text)} is unknown`
  throw new CniError(CNI_CODES.invalidEnvironment, found, `allowed: ${CNI_VERBS.join(', ')}`)
}

/** Reads the variables of a verb. @throws CniError 4 that names each variable that is missing or wrong */
export function readParameters(verb: CniVerb, environment: Environment): CniParameters {
  const value = (name: Variable | 'CNI_ARGS'): string => environment[name] ?? ''
  const problems: string[] = []
  for (const name of REQUIRED[verb]) if (value(name) === '') problems.push(`${name} is missing`)
  const isAttachment = verb === 'ADD' || verb === 'DEL' || verb === 'CHECK'
  const containerId = isAttachment ? value('CNI_CONTAINERID') : ''
  const ifname = isAttachment ? value('CNI_IFNAME') : ''
  const netns = isAttachment ? value('CNI_NETNS') : ''
  if (containerId !== '' && !isIdentifier(containerId)) {
    problems.push(`CNI_CONTAINERID ${JSON.stringify(containerId)} is not a letter or digit followed by letters, digits, "_", "." and "-"`)
  }
  const problem = ifname === '' ? undefined : ifnameProblem(ifname)
  if (problem !== undefined) problems.push(`CNI_IFNAME ${JSON.stringify(ifname)} ${problem}`)
  const args = isAttachment ? readArgs(value('CNI_ARGS'), problems) : {}
  if (problems.length > 0) throw new CniError(CNI_CODES.invalidEnvironment, problems.join('; '), `of ${verb}`)
  return { containerId, netns, ifname, args, path: value('CNI_PATH').split(':').filter(Boolean) }
}

/** `K=V;K=V`; the last one counts when a key comes twice. */
function readArgs(text: string, problems: string[]): Record<string, string> {
  const args: Record<string, string> = {}
  for (const pair of text.split(';')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    if (equals < 1) problems.push(`CNI_ARGS has ${JSON.stringify(pair)}, which is not KEY=VALUE`)
    else Object.defineProperty(args, pair.slice(0, equals), { value: pair.slice(equals + 1), enumerable: true, configurable: true })
  }
  return args
}
