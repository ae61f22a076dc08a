import type { IpPrefix } from '@heddle/wire'

/** PDUs of the RPKI-to-router protocol (RFC 6810 §5, RFC 8210 §5), by their type. */
export type RtrPdu =
  | { readonly type: 'serial-notify' | 'serial-query'; readonly version: number; readonly session: number; readonly serial: number }
  | { readonly type: 'reset-query' | 'cache-reset'; readonly version: number }
  | { readonly type: 'cache-response'; readonly version: number; readonly session: number }
  /** A payload that is announced or withdrawn: the AS may originate prefixes within `prefix` of up to `maxLength` bits. */
  | {
      readonly type: 'ipv4-prefix' | 'ipv6-prefix'
      readonly version: number
      readonly announce: boolean
      readonly prefix: IpPrefix
      readonly maxLength: number
      readonly as: number
    }
  /** `intervals` since version 1: seconds (RFC 8210 §6). */
  | {
      readonly type: 'end-of-data'
      readonly version: number
      readonly session: number
      readonly serial: number
      readonly intervals?: { readonly refresh: number; readonly retry: number; readonly expire: number }
    }
  /** A BGPsec key (RFC 8210 §5.10). */
  | {
      readonly type: 'router-key'
      readonly version: number
      readonly announce: boolean
      /** Subject key identifier, 20 octets. */
      readonly identifier: Uint8Array
      readonly as: number
      /** Subject public key info, DER. */
      readonly key: Uint8Array
    }
  /** An AS and its providers, since version 2 (draft-ietf-sidrops-8210bis §5.12). */
  | {
      readonly type: 'aspa'
      readonly version: number
      readonly announce: boolean
      readonly customer: number
      readonly providers: readonly number[]
    }
  | { readonly type: 'error-report'; readonly version: number; readonly code: number; readonly pdu: Uint8Array; readonly text: string }

/** PDU types (IANA rpki-rtr-pdu). */
export const RTR_TYPE = {
  'serial-notify': 0,
  'serial-query': 1,
  'reset-query': 2,
  'cache-response': 3,
  'ipv4-prefix': 4,
  'ipv6-prefix': 6,
  'end-of-data': 7,
  'cache-reset': 8,
  'router-key': 9,
  'error-report': 10,
  aspa: 11,
} as const

/** The newest version that is read. */
export const RTR_MAX_VERSION = 2

/** Octets of version, type, session (or flags, or code) and length. */
export const RTR_HEADER_SIZE = 8
