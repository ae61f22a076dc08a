import type { DataplaneEvent, MirroredPacket, TracedPacket } from '@heddle/core'
import { check, checkEqual, printed } from './conformance-error.js'
import type { Output } from './harness.js'
import type { Lab } from './lab.js'
import { readErspan, type ErspanCopy } from './oracle/erspan.js'

/** How often the harness is asked for what is in flight, before a copy is taken for lost. */
const PATIENCE = 20_000

/** A copy of a mirror, whichever sink it came to. */
export type Copy = Pick<MirroredPacket, 'port' | 'direction' | 'packet'> & { readonly to: string }

/** Reads what mirrors and traces tell, while cases send packets. */
export class Observer implements AsyncDisposable {
  readonly mirrored: MirroredPacket[] = []
  readonly traced: TracedPacket[] = []
  readonly collected: ErspanCopy[] = []
  readonly #lab: Lab
  readonly #events: AsyncIterator<DataplaneEvent>
  readonly #reading: Promise<void>

  constructor(lab: Lab) {
    this.#lab = lab
    this.#events = lab.harness.dataplane.events[Symbol.asyncIterator]()
    this.#reading = this.#read()
    lab.divert((outputs) => this.#sort(outputs))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lab.divert((outputs) => outputs)
    await this.#events.return?.()
    await this.#reading
  }

  /** Waits until as many copies came to streams, and leaves them. */
  async streamed(count: number): Promise<void> {
    await this.#until(() => this.mirrored.length >= count)
  }

  /** Waits until as many frames came to collectors; the caller takes them. */
  async collect(count: number): Promise<ErspanCopy[]> {
    await this.#until(() => this.collected.length >= count)
    return this.collected
  }

  /** Waits until as many copies came, to whatever sinks, and takes what came. */
  async copies(count: number): Promise<Copy[]> {
    await this.#until(() => this.mirrored.length + this.collected.length >= count)
    const streamed = this.mirrored
      .splice(0)
      .map(({ mirror, port, direction, packet }) => ({ to: `mirror ${mirror}`, port, direction, packet }))
    const sent = this.collected
      .splice(0)
      .map(({ collector, session, port, direction, packet }) => ({ to: `${collector} session ${session}`, port, direction, packet }))
    return [...streamed, ...sent]
  }

  /** Waits until traces told of as many packets, and takes what they told. */
  async packets(count: number): Promise<TracedPacket[]> {
    await this.#until(() => this.traced.length >= count)
    return this.traced.splice(0)
  }

  /** Takes copies for collectors out of what came from the underlay; the rest are a packet's own outputs. */
  #sort(outputs: readonly Output[]): Output[] {
    return outputs.filter((output) => {
      const copy = readErspan(output)
      if (copy !== undefined) this.collected.push(copy)
      return copy === undefined
    })
  }

  async #until(there: () => boolean): Promise<void> {
    for (let turns = 0; !there(); turns++) {
      check(turns < PATIENCE, `more was expected than ${printed([this.mirrored, this.collected, this.traced])}`)
      checkEqual(await this.#lab.outputs(), [], 'late outputs')
    }
  }

  async #read(): Promise<void> {
    for (;;) {
      const { value, done } = await this.#events.next()
      if (done === true) return
      const event: DataplaneEvent = value
      if (event.type === 'mirrored') this.mirrored.push(event)
      else if (event.type === 'traced') this.traced.push(event)
    }
  }
}

/** Insists that the same copies came, in whatever order. */
export function checkCopies(found: readonly Copy[], expected: readonly Copy[]): void {
  const sorted = (copies: readonly Copy[]): string[] => copies.map(printedCopy).toSorted()
  checkEqual(sorted(found), sorted(expected), 'copies')
}

function printedCopy({ to, port, direction, packet }: Copy): string {
  return printed({ to, port, direction, packet })
}
