import { TransportError, type TransportErrorCode } from '../transport.js'

const CODES: Readonly<Record<string, TransportErrorCode>> = {
  ECONNREFUSED: 'transport.refused',
  EHOSTUNREACH: 'transport.unreachable',
  EHOSTDOWN: 'transport.unreachable',
  ENETUNREACH: 'transport.unreachable',
  ENETDOWN: 'transport.unreachable',
  ETIMEDOUT: 'transport.timeout',
  ABORT_ERR: 'transport.aborted',
  ECONNRESET: 'transport.reset',
  ECONNABORTED: 'transport.reset',
  EPIPE: 'transport.reset',
  EADDRINUSE: 'transport.address-in-use',
  EADDRNOTAVAIL: 'transport.address-unavailable',
  EACCES: 'transport.permission',
  EPERM: 'transport.permission',
}

/** What a code means to a person, where the system's name for it would have to be looked up. */
const WORDS: { readonly [Code in TransportErrorCode]?: string } = {
  'transport.refused': 'nobody listens there',
  'transport.unreachable': 'it cannot be reached',
  'transport.timeout': 'no answer in time',
  'transport.reset': 'the connection broke',
  'transport.address-in-use': 'the address and port are in use',
  'transport.address-unavailable': 'this machine does not have the address',
  'transport.permission': 'the permission is missing',
}

/** Node's error as a `TransportError`; `cause` keeps the original. */
export function toTransportError(error: unknown, what: string): TransportError {
  if (error instanceof TransportError) return error
  const code = errnoOf(error)
  const known = CODES[code] ?? 'transport.failed'
  const words = WORDS[known]
  const reason = words === undefined ? (error instanceof Error ? error.message : String(error)) : `${words} (${code})`
  return new TransportError(known, `${what}: ${reason}`, { cause: error })
}

function errnoOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
