import { IpAddress, IpPrefix } from '@heddle/wire'
import type { View, Words } from './struct.js'

type PrefixView = View<'family' | 'length' | 'address' | 'mask'>

/** The address that words stand for. */
export function addressOf(family: number, { w0, w1, w2, w3 }: Words): IpAddress {
  return family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3)
}

/** Words of an address field. */
export function wordsOf<Name extends string>(view: View<Name>, name: Name): Words {
  return { w0: view.get(name, 0), w1: view.get(name, 1), w2: view.get(name, 2), w3: view.get(name, 3) }
}

/** Fills in a `struct prefix`. */
export function writePrefix(view: PrefixView, { address, length, family }: IpPrefix): void {
  view.set('family', family).set('length', length).setAddress('address', address)
  for (let word = 0; word < 4; word++) view.set('mask', maskOf(length - word * 32), word)
}

/** The prefix of a `struct prefix`. */
export function readPrefix(view: PrefixView): IpPrefix {
  return IpPrefix.of(addressOf(view.get('family'), wordsOf(view, 'address')), view.get('length'))
}

/** A word whose first `bits` bits are set. */
function maskOf(bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? 0xffff_ffff : ~(0xffff_ffff >>> bits) >>> 0
}
