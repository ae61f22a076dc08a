import type { Connection, Transport } from '@heddle/io'
import { IpAddress, RouteDistinguisher } from '@heddle/wire'
import {
  BmpStation,
  decodeMessage,
  formatNlri,
  isAdjRibOut,
  isPostPolicy,
  toJson,
  type BmpItem,
  type BmpPeer,
  type FamilyName,
  type Speaker,
  type VrfConfig,
} from '../../src/index.js'

/** A monitoring station: keeps the tables that it is told of, by the messages alone. */
export class Station {
  readonly messages: BmpItem['message'][] = []
  /** Tables by name (`peer pre`, `peer post`, `peer out`, `local`): routes by destination. */
  readonly tables = new Map<string, Map<string, string>>()
  readonly up = new Set<string>()
  /** Families that Peer Up says a Loc-RIB may have, by who that is. */
  readonly #families = new Map<string, ReadonlySet<number>>()
  connections = 0
  /** While it is set nothing is read. */
  isAsleep = false
  #connection: Connection | undefined
  #woken: (() => void) | undefined

  /** Accepts clients, one after the other. */
  async listen(transport: Transport, address: string, port: number): Promise<void> {
    const listener = await transport.listen({ address: IpAddress.parse(address), port })
    void (async () => {
      for await (const connection of listener.connections) {
        this.connections++
        this.#connection = connection
        this.tables.clear()
        this.up.clear()
        void this.#read(connection)
      }
    })()
  }

  wake(): void {
    this.isAsleep = false
    this.#woken?.()
  }

  /** Breaks the connection off. */
  reset(): void {
    this.#connection?.reset()
  }

  async #read(connection: Connection): Promise<void> {
    const stream = new BmpStation()
    try {
      for await (const chunk of connection.chunks) {
        while (this.isAsleep) await new Promise<void>((resolve) => (this.#woken = resolve))
        for (const item of stream.push(chunk)) {
          if ('error' in item) throw new TypeError(item.error.code)
          if (connection === this.#connection) this.#take(item)
        }
      }
    } catch (error) {
      if (error instanceof TypeError) throw error // a broken connection is no fault of the client's
    }
  }

  #take({ message, update }: BmpItem): void {
    this.messages.push(message)
    if (message.type === 'peer-up') {
      const who = peerOf(message.peer)
      if (this.up.has(who)) throw new TypeError(`${who} was up`)
      this.up.add(who)
      if (message.peer.peerType === 3) this.#families.set(who, familiesOf(message.sentOpen))
    }
    if (message.type === 'peer-down') {
      const name = String(message.peer.address)
      const who = peerOf(message.peer)
      if (!this.up.delete(who)) throw new TypeError(`${who} was not up`)
      for (const table of message.peer.peerType === 3 ? [who] : ['pre', 'post', 'out'].map((of) => `${name} ${of}`))
        this.tables.delete(table)
    }
    if (message.type !== 'route-monitoring') return
    if (!this.up.has(peerOf(message.peer))) throw new TypeError(`routes of ${peerOf(message.peer)}, which is not up`)
    if (update?.ok !== true || update.message.type !== 'update' || update.errors.length > 0) throw new TypeError(JSON.stringify(update))
    const name = tableOf(message.peer)
    const told = [...update.message.withdrawn, ...update.message.announced].map(({ family }) => family)
    const unexpected =
      message.peer.peerType === 3 ? told.find((family) => !this.#families.get(peerOf(message.peer))?.has(family.key)) : undefined
    // RFC 9069 §5.2
    if (unexpected !== undefined) throw new TypeError(`${name} has routes of ${unexpected.name}, of which Peer Up said nothing`)
    const table = this.tables.get(name) ?? new Map<string, string>()
    this.tables.set(name, table)
    for (const { family, nlri } of update.message.withdrawn) for (const one of nlri) table.delete(`${family.name} ${nameOf(one)}`)
    for (const { family, nlri, nextHop } of update.message.announced) {
      for (const one of nlri) table.set(`${family.name} ${nameOf(one)}`, valueOf(one, nextHop?.address, update.message.attributes))
    }
  }
}

/** Keys of the families in an OPEN. */
function familiesOf(open: Uint8Array): ReadonlySet<number> {
  const result = decodeMessage(open)
  if (!result.ok || result.message.type !== 'open') throw new TypeError('not an OPEN')
  return new Set(result.message.capabilities.flatMap((one) => (one.kind === 'multiprotocol' ? [one.family.key] : [])))
}

const NONE = String(RouteDistinguisher.fromWords(0, 0))

/** A Loc-RIB: that of a VRF has its RD in its name. */
function localName(rd: RouteDistinguisher): string {
  return String(rd) === NONE ? 'local' : `local ${rd}`
}

/** Who is up or not: a peer by its address and RD. */
function peerOf({ peerType, address, distinguisher }: BmpPeer): string {
  return peerType === 3 ? localName(distinguisher) : String(distinguisher) === NONE ? String(address) : `${address} ${distinguisher}`
}

function tableOf(peer: BmpPeer): string {
  if (peer.peerType === 3) return localName(peer.distinguisher)
  return `${peer.address} ${isAdjRibOut(peer) ? 'out' : isPostPolicy(peer) ? 'post' : 'pre'}`
}

type Nlri = Parameters<typeof formatNlri>[0]

function nameOf(nlri: Nlri): string {
  return `${'rd' in nlri ? String(nlri.rd) : ''} ${formatNlri(nlri)} ${'pathId' in nlri ? (nlri.pathId ?? 0) : 0}`
}

function valueOf(nlri: Nlri, nextHop: IpAddress | undefined, attributes: object): string {
  const { nextHop: _own, ...rest } = attributes as { nextHop?: unknown }
  const sorted = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1))
  return `${'labels' in nlri ? nlri.labels.join('/') : ''} via ${nextHop?.unmapped()} ${JSON.stringify(toJson(Object.fromEntries(sorted)))}`
}

/** The tables that a station must have, from the speaker's own. @param vrfs those that it has */
export function tablesOf(speaker: Speaker, vrfs: readonly VrfConfig[] = []): Map<string, Map<string, string>> {
  const out = new Map<string, Map<string, string>>()
  const put = (
    table: string,
    family: string,
    nlri: Nlri,
    pathId: number,
    set: { attributes: object; nextHop?: { address: IpAddress } },
  ): void => {
    const routes = out.get(table) ?? new Map<string, string>()
    out.set(table, routes)
    const one = pathId === 0 ? nlri : { ...nlri, pathId }
    routes.set(`${family} ${nameOf(one)}`, valueOf(one, set.nextHop?.address, set.attributes))
  }
  for (const { address, state, config } of speaker.neighbors()) {
    for (const name of config.families) {
      if (state === 'established') {
        for (const { family, nlri, pathId, set } of speaker.routes({ family: name, neighbor: address }))
          put(`${address} pre`, family.name, nlri, pathId, set)
        for (const { family, nlri, pathId, set } of speaker.routes({ family: name, neighbor: address, postPolicy: true }))
          put(`${address} post`, family.name, nlri, pathId, set)
        for (const { family, nlri, pathId, set } of speaker.routes({ family: name, neighbor: address, direction: 'out' }))
          put(`${address} out`, family.name, nlri, pathId, set)
      }
    }
  }
  const families = new Set<FamilyName>([...speaker.neighbors().flatMap(({ config }) => config.families), 'rtc'])
  const places = [{ table: 'local' }, ...vrfs.map(({ name: vrf, rd }) => ({ table: `local ${rd}`, vrf }))]
  for (const { table, ...place } of places) {
    for (const name of families) {
      for (const { family, nlri, set, best } of speaker.routes({ family: name, postPolicy: true, ...place })) {
        const { pathId: _id, ...rest } = nlri as Nlri & { pathId?: number }
        const self = { address: IpAddress.parse(family.afi === 2 ? '::' : '0.0.0.0') }
        if (best) put(table, family.name, rest, 0, { nextHop: self, ...set })
      }
    }
  }
  return out
}

/** Tables without empty ones, to be compared. */
export function plain(tables: ReadonlyMap<string, ReadonlyMap<string, string>>): Record<string, Record<string, string>> {
  const byName = <T>([a]: readonly [string, T], [b]: readonly [string, T]): number => (a < b ? -1 : 1)
  return Object.fromEntries(
    [...tables]
      .filter(([, routes]) => routes.size > 0)
      .sort(byName)
      .map(([name, routes]) => [name, Object.fromEntries([...routes].sort(byName))]),
  )
}
