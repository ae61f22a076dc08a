import type { Endpoint } from '@heddle/io'
import { IpAddress } from '@heddle/wire'

/** An address, with the device through which it is meant where one was named. */
export type ZonedAddress = Pick<Endpoint, 'address' | 'zone'>

/** Reads `ADDRESS` or `ADDRESS%DEVICE` (RFC 4007 §11); `undefined` for anything else. */
export function parseZoned(text: string): ZonedAddress | undefined {
  const [head, zone, ...rest] = text.split('%')
  const address = IpAddress.tryParse(head ?? '')
  if (address === undefined || zone === '' || rest.length > 0) return undefined
  return { address, ...(zone === undefined ? {} : { zone }) }
}

/** The device of `%DEVICE`: who is meant is whoever is at its other end. `undefined` for anything else. */
export function unnumberedDevice(text: string): string | undefined {
  return /^%([^%\s]+)$/.exec(text)?.[1]
}

/**
 * The address of a neighbor's name, which may name a device too; `undefined` for one that is named by its device alone.
 *
 * @throws ValueError for what is none of these
 */
export function addressOf(neighbor: string): IpAddress | undefined {
  if (unnumberedDevice(neighbor) !== undefined) return undefined
  return parseZoned(neighbor)?.address ?? IpAddress.parse(neighbor)
}

/** The one text of an address and its device. */
export function zonedText({ address, zone }: ZonedAddress): string {
  return zone === undefined ? address.toString() : `${address}%${zone}`
}
