import { ValueError } from '@heddle/wire'
import type { AsPathSegment } from '../attribute/path-attributes.js'

/** Elements that a pattern may have. */
const ELEMENT_LIMIT = 64

interface Element {
  readonly low: number
  readonly high: number
  readonly optional: boolean
  readonly repeated: boolean
}

/**
 * A pattern of AS paths: elements between blanks, each an AS number, a range (`64512-65534`) or `.` for any, with `?`, `*` or `+` behind it;
 * `^` in front and `$` at the end tie it to the ends of the path, otherwise it may be anywhere. A set counts as one place at which any of its
 * members may match; confederation segments are not seen. Matching takes time in proportion to pattern times path, whatever both are.
 *
 * @example `^65001 .* 65010$` from AS 65001, originated by AS 65010; `^$` no AS at all; `65005` through AS 65005
 */
export class AsPathPattern {
  readonly #elements: readonly Element[]
  readonly #fromStart: boolean
  readonly #toEnd: boolean

  /** @throws ValueError `bgp.policy.as-path-pattern` */
  constructor(readonly text: string) {
    const trimmed = text.trim()
    this.#fromStart = trimmed.startsWith('^')
    const behind = this.#fromStart ? trimmed.slice(1) : trimmed
    this.#toEnd = behind.endsWith('$')
    const words = (this.#toEnd ? behind.slice(0, -1) : behind).split(/\s+/).filter((word) => word !== '')
    if (words.length > ELEMENT_LIMIT)
      throw new ValueError('bgp.policy.as-path-pattern', text, `a pattern of at most ${ELEMENT_LIMIT} elements`)
    this.#elements = words.map((word) => elementOf(word, text))
  }

  matches(path: readonly AsPathSegment[]): boolean {
    const places = placesOf(path)
    // states: bit `at` says that the elements before `at` have matched what came so far
    const states = new Uint8Array(this.#elements.length + 1)
    this.#enter(states, 0)
    if (!this.#toEnd && states[this.#elements.length] === 1) return true
    for (const place of places) {
      const before = states.slice()
      states.fill(0)
      for (let at = 0; at < this.#elements.length; at++) {
        if (before[at] === 0) continue
        const { low, high, repeated } = this.#elements[at]
        if (!place.some((as) => as >= low && as <= high)) continue
        this.#enter(states, at + 1)
        if (repeated) this.#enter(states, at)
      }
      if (!this.#fromStart) this.#enter(states, 0)
      if (!this.#toEnd && states[this.#elements.length] === 1) return true
    }
    return states[this.#elements.length] === 1
  }

  /** Comes before element `at`, and before those behind it as far as elements may be left out. */
  #enter(states: Uint8Array, from: number): void {
    for (let at = from; at <= this.#elements.length; at++) {
      states[at] = 1
      if (at === this.#elements.length || !this.#elements[at].optional) return
    }
  }
}

function placesOf(path: readonly AsPathSegment[]): (readonly number[])[] {
  return path.flatMap(({ type, asns }): (readonly number[])[] => {
    if (type === 'sequence') return asns.map((as) => [as])
    return type === 'set' ? [asns] : []
  })
}

function elementOf(word: string, text: string): Element {
  const match = /^(?:(\.)|(\d{1,10})(?:-(\d{1,10}))?)([?*+]?)$/.exec(word)
  const low = match?.[1] === '.' ? 0 : Number(match?.[2] ?? Number.NaN)
  const high = match?.[1] === '.' ? 0xffff_ffff : Number(match?.[3] ?? low)
  if (!(low <= high && high <= 0xffff_ffff))
    throw new ValueError('bgp.policy.as-path-pattern', text, 'AS numbers, ranges and `.`, each with ?, * or +')
  const sign = match?.[4]
  return { low, high, optional: sign === '?' || sign === '*', repeated: sign === '*' || sign === '+' }
}
