import type { IpAddress, IpPrefix } from '@heddle/wire'

/** Prefixes of one length: IPv4 by their number, IPv6 by their words as text. */
interface Level {
  readonly length: number
  readonly four: Set<number>
  readonly six: Set<string>
}

/** Tells whether a prefix lies in one of many; its cost grows with the lengths that there are, not with the prefixes. */
export class PrefixCover {
  readonly #levels = new Map<number, Level>()

  constructor(prefixes: Iterable<IpPrefix>) {
    for (const { address, length } of prefixes) {
      let level = this.#levels.get(length)
      if (level === undefined) this.#levels.set(length, (level = { length, four: new Set(), six: new Set() }))
      if (address.family === 4) level.four.add(address.w0)
      else level.six.add(sixOf(address, length))
    }
  }

  covers({ address, length }: IpPrefix): boolean {
    for (const level of this.#levels.values()) {
      if (level.length > length) continue
      if (address.family === 4 ? level.four.has(masked(address.w0, level.length)) : level.six.has(sixOf(address, level.length))) return true
    }
    return false
  }
}

/** The first `bits` of a word, 0 or less: none. */
function masked(word: number, bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? word >>> 0 : ((word >>> (32 - bits)) << (32 - bits)) >>> 0
}

function sixOf({ w0, w1, w2, w3 }: IpAddress, length: number): string {
  return `${masked(w0, length)} ${masked(w1, length - 32)} ${masked(w2, length - 64)} ${masked(w3, length - 96)}`
}
