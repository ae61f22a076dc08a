import { attributesText, hex, type Reflection } from './attributes-text.ts'
import type { ExpectedTable } from './expected-table.ts'
import { UpdateParts, entryEnd, walkUpdate } from './update-walk.ts'

/** An UPDATE among octets. */
export interface Message {
  readonly octets: Uint8Array
  readonly at: number
}

const MOST_DIFFERENCES = 5
/** Milliseconds at a time: a peer that judges goes on sending its KEEPALIVEs. */
const SLICE = 50

/** The table of a session, against the one that it should have. */
export class Judgement {
  readonly #expected: ExpectedTable
  readonly #reflection: Reflection
  readonly #present: Uint8Array
  readonly #parts = new UpdateParts()
  #wrong: string[] = []

  constructor(expected: ExpectedTable, reflection: Reflection) {
    this.#expected = expected
    this.#reflection = reflection
    this.#present = new Uint8Array(expected.routes)
  }

  /**
   * Plays messages in order on what was there before, and says what is wrong: the first few routes that are not as they were announced, and when the
   * table that is left is not complete, or not empty.
   */
  async differences(messages: Iterable<Message>, complete: boolean): Promise<string[]> {
    let pause = performance.now() + SLICE
    for (const message of messages) {
      this.#take(message)
      if (performance.now() < pause) continue
      await new Promise((resolve) => setImmediate(resolve))
      pause = performance.now() + SLICE
    }
    const { routes } = this.#expected
    const there = this.#present.reduce((sum, one) => sum + one, 0)
    const wanted = complete ? routes : 0
    if (there !== wanted) this.#say(`${there} routes of ${routes} are there at the end, not ${wanted}`)
    const wrong = this.#wrong
    this.#wrong = []
    return wrong
  }

  #take({ octets, at }: Message): void {
    const parts = this.#parts
    walkUpdate(octets, at, parts)
    for (let next = parts.withdrawnFrom; next < parts.withdrawnTo; next = entryEnd(octets, next)) {
      const route = this.#expected.find(octets, next)
      if (route === undefined) this.#say(`withdrawn, and not in the workload: ${hex(octets, next, entryEnd(octets, next))}`)
      else this.#present[route] = 0
    }
    if (parts.announcedFrom >= parts.announcedTo) return
    const set = this.#expected.setWith(attributesText(octets, parts, this.#reflection, (text) => this.#say(text)))
    for (let next = parts.announcedFrom; next < parts.announcedTo; next = entryEnd(octets, next)) {
      const fault = this.#announce(octets, next, set)
      if (fault !== undefined) this.#say(`${hex(octets, next, entryEnd(octets, next))}: ${fault}`)
    }
  }

  #announce(octets: Uint8Array, at: number, set: number | undefined): string | undefined {
    const route = this.#expected.find(octets, at)
    if (route === undefined) return 'announced, and not in the workload'
    if (set !== this.#expected.setOf(route)) return `attributes ${hex(octets, this.#parts.attributesFrom, this.#parts.attributesTo)}`
    if (!this.#expected.hasLabel(route, octets, at)) return 'another label'
    this.#present[route] = 1
    return undefined
  }

  #say(text: string): void {
    if (this.#wrong.length < MOST_DIFFERENCES) this.#wrong.push(text)
  }
}
