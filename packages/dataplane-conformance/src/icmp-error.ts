import { IpAddress } from '@heddle/wire'
import { check, checkEqual } from './conformance-error.js'
import { onesComplementSum } from './oracle/ip.js'

/** What an ICMP error says. */
export interface IcmpFields {
  readonly type: number
  readonly code: number
  /** The 32 bits behind the checksum. */
  readonly rest: number
}

/** Insists that `error` is a sound ICMP error from `speaker` that quotes the beginning of `about`. */
export function checkError(error: Uint8Array, about: Uint8Array, { type, code, rest }: IcmpFields, speaker: string): void {
  const isV4 = error[0] >> 4 === 4
  const icmp = isV4 ? 20 : 40
  checkEqual([error[icmp], error[icmp + 1]], [type, code], 'type and code')
  checkEqual(
    [...error.subarray(icmp + 4, icmp + 8)],
    [rest >>> 24, (rest >> 16) & 255, (rest >> 8) & 255, rest & 255],
    'word behind the checksum',
  )
  const quoted = error.subarray(icmp + 8)
  check(quoted.length >= Math.min(about.length, isV4 ? 28 : 1232), `only ${quoted.length} octets are quoted`)
  check(error.length <= (isV4 ? 576 : 1280), `an error of ${error.length} octets`)
  checkEqual(quoted, about.slice(0, quoted.length), 'quoted packet')
  const [source, target] = isV4 ? [error.slice(12, 16), error.slice(16, 20)] : [error.slice(8, 24), error.slice(24, 40)]
  checkEqual(source, IpAddress.parse(speaker).toBytes(), 'source')
  checkEqual(target, isV4 ? about.slice(12, 16) : about.slice(8, 24), 'destination')
  const message = error.subarray(icmp)
  const pseudo = isV4 ? [] : [...source, ...target, message.length >> 8, message.length & 255, 0, 58]
  checkEqual(onesComplementSum(Uint8Array.from([...pseudo, ...message])), 0xffff, 'sum of the ICMP message')
  if (isV4) checkEqual(onesComplementSum(error.subarray(0, 20)), 0xffff, 'sum of the IP header')
}
