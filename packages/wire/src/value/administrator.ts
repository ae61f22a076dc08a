import { ValueError } from '../value-error.js'
import { IpAddress } from './ip-address.js'

/**
 * The administrator:number pair that route distinguishers (RFC 4364 §4.2) and route targets (RFC 4360 §4) share.
 *
 * | type | administrator | assigned number |
 * |---|---|---|
 * | 0 | 2-octet AS | 4 octets |
 * | 1 | IPv4 address | 2 octets |
 * | 2 | 4-octet AS (RFC 5668) | 2 octets |
 */
export type AdministratorType = 0 | 1 | 2

/** A parsed pair; both numbers are unsigned. */
export interface AdministratorPair {
  readonly type: AdministratorType
  readonly administrator: number
  readonly assigned: number
}

/**
 * Reads `65000:1` (type 0), `192.0.2.1:1` (type 1), `70000:1` (type 2); `65000L:1` asks for type 2 where the number would fit type 0.
 *
 * @throws ValueError with `code`
 */
export function parseAdministratorPair(text: string, code: string, what: string): AdministratorPair {
  const fail = (): never => {
    throw new ValueError(code, text, `${what}: ASN:NUMBER or IPV4:NUMBER`)
  }
  const match = /^([0-9.]+)(L?):(0|[1-9]\d{0,9})$/.exec(text)
  if (match === null) return fail()
  const [, left = '', long, right] = match
  const assigned = Number(right)
  if (left.includes('.')) {
    const address = IpAddress.tryParse(left)
    if (address === undefined || long === 'L' || assigned > 0xffff) return fail()
    return { type: 1, administrator: address.w0, assigned }
  }
  const administrator = Number(left)
  if (!/^(0|[1-9]\d{0,9})$/.test(left) || administrator > 0xffffffff) return fail()
  if (administrator > 0xffff || long === 'L') {
    if (assigned > 0xffff) return fail()
    return { type: 2, administrator, assigned }
  }
  if (assigned > 0xffffffff) return fail()
  return { type: 0, administrator, assigned }
}

/** The inverse of `parseAdministratorPair`. */
export function formatAdministratorPair({ type, administrator, assigned }: AdministratorPair): string {
  if (type === 1) return `${IpAddress.v4(administrator)}:${assigned}`
  return `${administrator}${type === 2 && administrator <= 0xffff ? 'L' : ''}:${assigned}`
}

/** Whether the numbers fit the type's fields. */
export function isAdministratorPair({ type, administrator, assigned }: AdministratorPair): boolean {
  const fits = (value: number, max: number): boolean => Number.isInteger(value) && value >= 0 && value <= max
  return type === 0 ? fits(administrator, 0xffff) && fits(assigned, 0xffffffff) : fits(administrator, 0xffffffff) && fits(assigned, 0xffff)
}
