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

/** Node's error as a `TransportError`; `cause` keeps the original. */
export function toTransportError(error: unknown, what: string): TransportError {
  if (error instanceof TransportError) return error
  const code = errnoOf(error)
  return new TransportError(CODES[code] ?? 'transport.failed', `${what}: ${code === '' ? String(error) : code}`, { cause: error })
}

function errnoOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
