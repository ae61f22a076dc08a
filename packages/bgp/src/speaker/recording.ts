import {
  TransportError,
  type Clock,
  type Connection,
  type Endpoint,
  type Listener,
  type PeerProtection,
  type Random,
  type RouterDiscovery,
  type RouterNews,
  type Transport,
} from '@heddle/io'
import type { BfdPath, BfdSource, BfdState } from './bfd-source.js'

/** Something that came into a speaker from outside. `at`: milliseconds since the recording began. */
export type RecordedInput =
  /** A method of the speaker was called. */
  | { readonly at: number; readonly kind: 'call'; readonly method: RecordedMethod; readonly args: readonly unknown[] }
  /** An attempt to connect succeeded; `connection` names it from here on. */
  | { readonly at: number; readonly kind: 'connected'; readonly connection: number; readonly local: Endpoint; readonly remote: Endpoint }
  | { readonly at: number; readonly kind: 'refused'; readonly remote: Endpoint; readonly message: string }
  /** A peer connected. */
  | { readonly at: number; readonly kind: 'accepted'; readonly connection: number; readonly local: Endpoint; readonly remote: Endpoint }
  | { readonly at: number; readonly kind: 'octets'; readonly connection: number; readonly bytes: Uint8Array }
  | { readonly at: number; readonly kind: 'ended'; readonly connection: number }
  | { readonly at: number; readonly kind: 'broken'; readonly connection: number; readonly message: string }
  | { readonly at: number; readonly kind: 'random'; readonly value: number }
  /** There is a BFD source; `devices`: it watches paths through devices. */
  | { readonly at: number; readonly kind: 'bfd-source'; readonly devices: boolean }
  /** BFD told the state of a path, which is named by its text. */
  | { readonly at: number; readonly kind: 'bfd'; readonly path: string; readonly state: BfdState }
  /** There is router discovery. */
  | { readonly at: number; readonly kind: 'router-discovery' }
  | { readonly at: number; readonly kind: 'router'; readonly device: string; readonly news: RouterNews }
  /** What became of a call of `listen` for `place`. `protects`: the listener can be given other protection. */
  | { readonly at: number; readonly kind: 'listening'; readonly place: Endpoint; readonly protects: boolean }
  | { readonly at: number; readonly kind: 'not-listening'; readonly place: Endpoint; readonly message: string }
  /** A listener was given other protection. `refused`: it could not take it over, and why. */
  | { readonly at: number; readonly kind: 'protection'; readonly refused?: string }

/** Methods whose calls change what a speaker does. */
export type RecordedMethod =
  | 'start'
  | 'stop'
  | 'announce'
  | 'withdraw'
  | 'setRouteTargetMembership'
  | 'addNeighbor'
  | 'setVrfs'
  | 'setListen'
  | 'setConfederation'
  | 'setDecision'
  | 'setDefaults'
  | 'setDynamicNeighbors'
  | 'removeNeighbor'
  | 'updateNeighbor'
  | 'resetNeighbor'
  | 'requestRefresh'
  | 'nextHopsChanged'
  | 'originsChanged'

type Draft = RecordedInput extends infer Input ? (Input extends RecordedInput ? Omit<Input, 'at'> : never) : never

/**
 * Keeps every input of one speaker, so that `replay` leads another one to the same tables: what came over connections, what was called, and what
 * chance said. Given to the speaker as `recorder`; what the other injected parts answer must be the same in the replay.
 */
export class Recorder {
  readonly #inputs: RecordedInput[] = []
  readonly #begin: number
  #connections = 0

  constructor(private readonly clock: Pick<Clock, 'now'>) {
    this.#begin = clock.now()
  }

  /** What was recorded so far, in its order. */
  get inputs(): readonly RecordedInput[] {
    return this.#inputs
  }

  call(method: RecordedMethod, args: readonly unknown[]): void {
    this.#add({ kind: 'call', method, args })
  }

  /** Random numbers of `inner`, each of which is kept. */
  random(inner: Random): Random {
    return {
      uint32: () => {
        const value = inner.uint32()
        this.#add({ kind: 'random', value })
        return value
      },
    }
  }

  /** What `inner` tells of paths. */
  bfd(inner: BfdSource): BfdSource {
    this.#add({ kind: 'bfd-source', devices: inner.devices ?? false })
    return {
      ...(inner.devices === undefined ? {} : { devices: inner.devices }),
      watch: (path, changed) =>
        inner.watch(path, (state) => {
          this.#add({ kind: 'bfd', path: pathText(path), state })
          changed(state)
        }),
    }
  }

  /** What `inner` hears on devices. */
  routerDiscovery(inner: RouterDiscovery): RouterDiscovery {
    this.#add({ kind: 'router-discovery' })
    return {
      watch: (device, told) =>
        inner.watch(device, (news) => {
          this.#add({ kind: 'router', device, news })
          told(news)
        }),
    }
  }

  /** Streams of `inner`, of which everything that arrives is kept. */
  transport(inner: Transport): Transport {
    return {
      connect: async (options) => {
        try {
          return this.#kept('connected', await inner.connect(options))
        } catch (error) {
          this.#add({ kind: 'refused', remote: options.remote, message: messageOf(error) })
          throw error
        }
      },
      listen: async (options) => {
        const { protection: _protection, ...place } = options
        try {
          return this.#listener(place, await inner.listen(options))
        } catch (error) {
          this.#add({ kind: 'not-listening', place, message: messageOf(error) })
          throw error
        }
      },
      ...(inner.signatureDrops === undefined
        ? {}
        : { signatureDrops: () => inner.signatureDrops?.() ?? Promise.reject(new TypeError('gone')) }),
    }
  }

  #listener(place: Endpoint, inner: Listener): Listener {
    this.#add({ kind: 'listening', place, protects: inner.protect !== undefined })
    const kept = (connection: Connection): Connection => this.#kept('accepted', connection)
    return {
      local: inner.local,
      close: () => inner.close(),
      ...(inner.protect === undefined ? {} : { protect: (peers) => this.#protect(inner, peers) }),
      connections: {
        async *[Symbol.asyncIterator]() {
          for await (const connection of inner.connections) yield kept(connection)
        },
      },
    }
  }

  #protect(inner: Listener, peers: readonly PeerProtection[]): void {
    try {
      inner.protect?.(peers)
      this.#add({ kind: 'protection' })
    } catch (error) {
      this.#add({ kind: 'protection', refused: messageOf(error) })
      throw error
    }
  }

  #kept(kind: 'connected' | 'accepted', inner: Connection): Connection {
    const connection = ++this.#connections
    const { local, remote } = inner
    this.#add({ kind, connection, local, remote })
    const chunks = (): AsyncGenerator<Uint8Array> => this.#chunks(connection, inner)
    return {
      local,
      remote,
      chunks: { [Symbol.asyncIterator]: chunks },
      get queued() {
        return inner.queued
      },
      write: (bytes) => inner.write(bytes),
      drained: () => inner.drained(),
      close: () => inner.close(),
      reset: () => inner.reset(),
      ...(inner.rekey === undefined ? {} : { rekey: (authentication) => inner.rekey?.(authentication) }),
    }
  }

  async *#chunks(connection: number, inner: Connection): AsyncGenerator<Uint8Array> {
    try {
      for await (const bytes of inner.chunks) {
        this.#add({ kind: 'octets', connection, bytes: bytes.slice() })
        yield bytes
      }
    } catch (error) {
      this.#add({ kind: 'broken', connection, message: error instanceof TransportError ? error.message : String(error) })
      throw error
    }
    this.#add({ kind: 'ended', connection })
  }

  #add(input: Draft): void {
    this.#inputs.push({ ...input, at: this.clock.now() - this.#begin })
  }
}

/** A path as a name of its own. */
export function pathText({ remote, local, ...rest }: BfdPath): string {
  return `${local ?? 'any'} ${remote} ${JSON.stringify(rest)}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
