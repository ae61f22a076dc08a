import type { Endpoint } from '@heddle/io'
import { IpAddress } from '@heddle/wire'
import type { NativeTcpEnd } from '../native/binding.js'

/** Whether a zone belongs to the address itself (RFC 4007 §6), and not to the socket. */
export function hasOwnZone({ family, isLinkLocal }: IpAddress): boolean {
  return family === 6 && isLinkLocal
}

/** An end as the native part takes it. */
export function nativeEnd({ address, port, zone }: Endpoint): NativeTcpEnd {
  return { address: address.toString(), port, ...(zone !== undefined && hasOwnZone(address) ? { zone } : {}) }
}

/** An end as transports tell it. @param device that the socket is bound to */
export function endpointOf({ address, port, zone }: NativeTcpEnd, device?: string): Endpoint {
  const name = zone ?? device
  return { address: IpAddress.parse(address).unmapped(), port, ...(name === undefined ? {} : { zone: name }) }
}
