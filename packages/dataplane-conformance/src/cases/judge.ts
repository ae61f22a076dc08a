import type { PacketInput } from '../arbitrary/packets.js'
import { expectOneOf, packetOf, type Lab } from '../lab.js'
import { kept, learned, type Beliefs } from '../oracle/beliefs.js'
import { interpretFromPort, interpretFromUnderlay, type World } from '../oracle/interpret.js'
import { Memory } from '../oracle/memory.js'
import type { Outcome } from '../oracle/outcome.js'
import { sourcePortOf } from '../oracle/seen.js'
import { EMPTY, type Tables } from '../tables.js'
import { isLeftToHost, sendInput } from './surroundings.js'

/** Has the oracle judge what becomes of packets, with everything that was there before them. */
export class Judge {
  readonly #lab: Lab
  #tables: Tables = EMPTY
  #world: World | undefined
  /** None while it is not known what the dataplane remembers. */
  #beliefs: Beliefs = [new Memory()]

  constructor(lab: Lab) {
    this.#lab = lab
  }

  /** Makes `tables` what is programmed. The dataplane is made to forget what is not known, or is too much. */
  async program(tables: Tables): Promise<void> {
    const { dataplane, underlayMtu } = this.#lab.harness
    if (this.#beliefs.length === 0 || this.#isTooMuch) {
      await this.#lab.program(EMPTY)
      // It still knows which backends clients came to. The oracle does not, and so allows any.
      this.#beliefs = [new Memory()]
    }
    await this.#lab.program(tables)
    await this.#lab.attach()
    const { encapsulations, features = [] } = dataplane.capabilities
    const state = await this.#lab.dump()
    this.#tables = tables
    this.#world = { state, encapsulations, underlayMtu, features }
    this.#beliefs = kept(this.#beliefs, state)
  }

  /** Sends nothing that is left to the host. @throws ConformanceError when the oracle does not allow what becomes of the packet */
  async send(input: PacketInput): Promise<void> {
    if (this.#world !== undefined && isLeftToHost(this.#lab, this.#world.state, input)) return
    if (this.#isTooMuch) await this.program(this.#tables)
    const before = this.#beliefs
    // Should the packet fail, those of smaller examples begin anew.
    this.#beliefs = []
    const observed = await sendInput(this.#lab, input)
    const sourcePorts = observed.outputs.flatMap((output) => sourcePortOf(packetOf(output)) ?? [])
    this.#beliefs = learned(
      before,
      (memory) => this.#outcomes(input, { memory, sourcePorts }),
      (outcomes) => expectOneOf(observed, outcomes, before),
    )
  }

  /** Whether more may be remembered than is followed. */
  get #isTooMuch(): boolean {
    return this.#beliefs.length > this.#lab.maxBeliefs || this.#beliefs.some(({ isUnsure }) => isUnsure)
  }

  #outcomes(input: PacketInput, known: Pick<World, 'memory' | 'sourcePorts'>): Outcome[] {
    const world: World = { ...this.#world!, ...known }
    return input.from === 'port' ? interpretFromPort(world, input.port, input.packet) : interpretFromUnderlay(world, input)
  }
}
