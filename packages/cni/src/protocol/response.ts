import { CniError } from './cni-error.js'
import { CNI_CODES } from './codes.js'
import { isObject } from './json.js'
import { formatResult, ipv4First, type CniResult } from './result.js'
import { CNI_VERSIONS, NEWEST_VERSION, type CniVersion } from './version.js'

/** How a plugin ends: what it writes to standard output, and its exit code. */
export interface CniResponse {
  /** 0, or 1 with an error on standard output. */
  readonly exitCode: number
  /** One JSON document, or nothing. */
  readonly output: string
}

/** DEL, CHECK, GC and STATUS say nothing when they succeed. */
export const SILENT_SUCCESS: CniResponse = { exitCode: 0, output: '' }

/** The answer to ADD, in the version of the request, IPv4 first. */
export function resultResponse(result: CniResult, version: CniVersion): CniResponse {
  return { exitCode: 0, output: JSON.stringify(formatResult(ipv4First(result), version)) }
}

/** The answer to VERSION. */
export function versionResponse(cniVersion: string): CniResponse {
  return { exitCode: 0, output: JSON.stringify({ cniVersion, supportedVersions: CNI_VERSIONS }) }
}

/** The answer to a request that failed; an error that is no `CniError` is a fault of the plugin, code 999. */
export function errorResponse(error: unknown, cniVersion: string): CniResponse {
  const { code, message, details } =
    error instanceof CniError ? error : new CniError(CNI_CODES.internal, error instanceof Error ? error.message : String(error))
  return { exitCode: 1, output: JSON.stringify({ cniVersion, code, msg: message, ...(details === '' ? {} : { details }) }) }
}

/** The version in which a call is answered that may be wrong altogether: its own where that can be read. */
export function answerVersion(input: string): string {
  try {
    const value: unknown = JSON.parse(input)
    const version = isObject(value) ? value['cniVersion'] : undefined
    return typeof version === 'string' && /^\d+\.\d+\.\d+$/.test(version) ? version : NEWEST_VERSION
  } catch {
    return NEWEST_VERSION
  }
}
