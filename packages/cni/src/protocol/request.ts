import { CniError } from './cni-error.js'
import { CNI_CODES } from './codes.js'
import { parseInput, readConfiguration, type CniAttachmentName, type CniConfiguration } from './configuration.js'
import { readParameters, readVerb, type CniParameters, type CniVerb, type Environment } from './environment.js'
import type { CniResult } from './result.js'
import { isAtLeast, NEWEST_VERSION, versionText, type CniVersion } from './version.js'

/** What a runtime asks of a plugin, checked: each verb holds what it needs. */
export type CniRequest =
  | (CniParameters & { readonly verb: 'ADD' | 'DEL'; readonly config: CniConfiguration })
  | (CniParameters & { readonly verb: 'CHECK'; readonly config: CniConfiguration; readonly prevResult: CniResult })
  | (CniParameters & { readonly verb: 'GC'; readonly config: CniConfiguration; readonly validAttachments: readonly CniAttachmentName[] })
  | (CniParameters & { readonly verb: 'STATUS'; readonly config: CniConfiguration })
  | { readonly verb: 'VERSION'; readonly cniVersion: string }

/** The version from which on a verb is there. */
const SINCE: Readonly<Partial<Record<CniVerb, CniVersion>>> = { CHECK: '0.4.0', GC: '1.1.0', STATUS: '1.1.0' }

/**
 * Reads a call of a plugin.
 *
 * @param input what came on standard input
 * @throws CniError 1, 4, 6, 7, naming what is wrong
 */
export function readRequest(environment: Environment, input: string): CniRequest {
  const verb = readVerb(environment)
  if (verb === 'VERSION') return { verb, cniVersion: askedVersion(input) }
  const parameters = readParameters(verb, environment)
  const config = readConfiguration(parseInput(input), {
    prevResult: verb === 'ADD' || verb === 'CHECK', // a DEL does its best whatever it is given
    validAttachments: verb === 'GC',
  })
  const since = SINCE[verb]
  if (since !== undefined && !isAtLeast(config.cniVersion, since)) {
    throw new CniError(CNI_CODES.incompatibleVersion, `${verb} is not in cniVersion ${config.cniVersion}`, `it is there from ${since} on`)
  }
  switch (verb) {
    case 'CHECK': {
      const { prevResult } = config
      if (prevResult === undefined) throw new CniError(CNI_CODES.invalidConfiguration, 'prevResult is missing, and CHECK needs it')
      return { verb, ...parameters, config, prevResult }
    }
    case 'GC': {
      const { validAttachments } = config
      // A list that is missing must never be read as "none is valid".
      if (validAttachments === undefined) {
        throw new CniError(CNI_CODES.invalidConfiguration, 'cni.dev/valid-attachments is missing, and GC needs it', 'nothing was removed')
      }
      return { verb, ...parameters, config, validAttachments }
    }
    default:
      return { verb, ...parameters, config }
  }
}

/** VERSION works with nothing on standard input. @throws CniError 6 */
function askedVersion(input: string): string {
  if (input.trim() === '') return NEWEST_VERSION
  const { cniVersion } = parseInput(input)
  return cniVersion === undefined ? NEWEST_VERSION : versionText(cniVersion)
}
