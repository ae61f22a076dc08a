import type { AttributeSet } from '../attribute/attribute-set.js'
import { MESSAGE_TYPE } from '../iana.js'
import { familyByName, type Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import type { NeighborView } from '../speaker/peer/neighbor-view.js'
import type { RouteView } from '../speaker/route.js'
import type { Speaker } from '../speaker/speaker.js'
import { updatesOf } from './session-messages.js'

/**
 * What a neighbor is sent (RFC 8671): first what it holds, then each UPDATE as it goes. What goes while the first is told waits behind it, or it
 * would be taken back by what was there before.
 *
 * `tell` gets UPDATEs; `isOurs` says that it was made here, with four-octet AS numbers, and did not go over the session.
 */
export class SentRoutes {
  readonly #routes: Iterator<RouteView>
  readonly #addPath: ReadonlySet<number>
  readonly #stop: () => void
  #waiting: Uint8Array[] | undefined = []

  constructor(
    speaker: Speaker,
    { address, negotiated }: NeighborView,
    private readonly tell: (pdu: Uint8Array, isOurs: boolean) => void,
  ) {
    this.#addPath = negotiated?.addPath.send ?? new Set()
    this.#routes = routesTo(speaker, address, negotiated?.families ?? [])
    this.#stop = speaker.trace(address, ({ direction, message }) => {
      if (direction !== 'sent' || message[18] !== MESSAGE_TYPE.update) return
      if (this.#waiting === undefined) tell(message, false)
      else this.#waiting.push(message)
    })
  }

  /** Tells a piece of what is held. @returns whether there was any */
  work(limit: number): boolean {
    const waiting = this.#waiting
    if (waiting === undefined) return false
    const groups = new Map<AttributeSet, { family: Family; set: AttributeSet; nlri: Nlri[] }>()
    let left = limit
    for (; left > 0; left--) {
      const { done = false, value } = this.#routes.next()
      if (done) break
      const { family, set, nlri } = value as RouteView
      const group = groups.get(set)
      if (group?.family === family) group.nlri.push(nlri)
      else groups.set(group === undefined ? set : { ...set }, { family, set, nlri: [nlri] })
    }
    for (const { family, set, nlri } of groups.values()) {
      for (const pdu of updatesOf({ family, set, nlri }, { addPath: this.#addPath })) this.tell(pdu, true)
    }
    if (left === 0) return true
    this.#waiting = undefined
    for (const message of waiting) this.tell(message, false)
    return true
  }

  stop(): void {
    this.#stop()
    this.#waiting = []
  }
}

function* routesTo(speaker: Speaker, neighbor: string, families: readonly { readonly name: string }[]): Generator<RouteView> {
  for (const { name } of families) {
    const family = familyByName(name)
    if (family !== undefined) yield* speaker.routes({ family, neighbor, direction: 'out' })
  }
}
