import { EndpointError, type EndpointErrorCode } from '@heddle/core'
import { CniError } from '../protocol/cni-error.js'
import { CNI_CODES } from '../protocol/codes.js'
import { StoreError } from '../store/store.js'

/** What ADD does, in order. */
export type Stage = 'network' | 'namespace' | 'record' | 'addresses' | 'endpoint' | 'node addresses' | 'answer'

const ENDPOINT_CODES: Readonly<Record<EndpointErrorCode, number>> = {
  'endpoint.vrf-unknown': CNI_CODES.invalidConfiguration,
  'endpoint.invalid': CNI_CODES.invalidConfiguration,
  'endpoint.address-in-use': CNI_CODES.addresses,
  'endpoint.conflict': CNI_CODES.exists,
  'endpoint.netns-missing': CNI_CODES.unknownContainer,
  'endpoint.labels-exhausted': CNI_CODES.endpoint,
  'endpoint.limit': CNI_CODES.endpoint,
  'endpoint.dataplane': CNI_CODES.endpoint,
  'endpoint.unsupported': CNI_CODES.unsupportedField,
}

/** Any failure as the protocol's error. */
export function asCniError(error: unknown): CniError {
  if (error instanceof CniError) return error
  if (error instanceof EndpointError) return new CniError(ENDPOINT_CODES[error.code], error.message, '', { cause: error })
  if (error instanceof StoreError) return new CniError(CNI_CODES.io, error.message, '', { cause: error })
  const { name, message } = error instanceof Error ? error : { name: '', message: String(error) }
  if (name === 'AbortError') return new CniError(CNI_CODES.tryAgain, 'the caller went away', '', { cause: error })
  return new CniError(CNI_CODES.internal, message, '', { cause: error })
}

/** The error with the stage at which it came up, and what became of the stages before. */
export function failedAt(stage: Stage, error: unknown, leftovers: readonly string[]): CniError {
  const { code, message, details } = asCniError(error)
  const undone = leftovers.length === 0 ? 'nothing is left behind' : `left for DEL: ${leftovers.join('; ')}`
  return new CniError(code, message, [details, `failed at: ${stage}`, undone].filter((part) => part !== '').join('; '), { cause: error })
}
