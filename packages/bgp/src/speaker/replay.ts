import {
  TransportError,
  type Clock,
  type Connection,
  type Endpoint,
  type Listener,
  type Random,
  type RouterDiscovery,
  type RouterNews,
  type Transport,
} from '@heddle/io'
import type { BfdSource, BfdState } from './bfd-source.js'
import type { SpeakerOptions } from './config.js'
import { pathText, type RecordedInput } from './recording.js'
import { Speaker } from './speaker.js'

/** A clock that stands still until it is told to go on. */
export interface ReplayClock extends Clock {
  /** Lets time pass, in milliseconds, and everything happen that is due in it. */
  run(milliseconds: number): Promise<void>
}

/** What a replay needs beside the recording: the configuration, and the parts that were injected, which must answer as they did. */
export type ReplayOptions = Omit<SpeakerOptions, 'clock' | 'random' | 'transport' | 'bfd' | 'routerDiscovery' | 'recorder'> & {
  readonly clock: ReplayClock
}

/** Leads a new speaker through everything that was recorded of another one. @returns the speaker, as the other one was at the end of the recording */
export async function replay(inputs: readonly RecordedInput[], { clock, ...options }: ReplayOptions): Promise<Speaker> {
  const world = new ReplayedWorld(inputs)
  const { random, transport, bfd, routerDiscovery } = world
  const speaker = new Speaker({
    ...options,
    clock,
    random,
    transport,
    ...(bfd === undefined ? {} : { bfd }),
    ...(routerDiscovery === undefined ? {} : { routerDiscovery }),
  })
  let now = 0
  for (const input of inputs) {
    if (input.at > now) await clock.run(input.at - now)
    now = Math.max(now, input.at)
    if (isAnswer(input)) continue // asked for by what the moment brings, which may be all that it brings
    if (input.kind === 'call') call(speaker, input)
    else world.happen(input)
    await clock.run(0)
  }
  return speaker
}

/** What a speaker is told because it asks: there from the beginning, and given in its order. */
type Answer = Extract<RecordedInput, { kind: 'bfd-source' | 'router-discovery' | 'random' | 'protection' }>

const ANSWERS: ReadonlySet<RecordedInput['kind']> = new Set<Answer['kind']>(['bfd-source', 'router-discovery', 'random', 'protection'])

function isAnswer(input: RecordedInput): input is Answer {
  return ANSWERS.has(input.kind)
}

function call(speaker: Speaker, { method, args }: Extract<RecordedInput, { kind: 'call' }>): void {
  const action = speaker[method] as (this: Speaker, ...args: unknown[]) => unknown
  try {
    const result = action.apply(speaker, [...args])
    if (result instanceof Promise) result.catch(() => undefined) // it was refused then, too
  } catch {
    // it was refused then, too
  }
}

/** Chance and streams as they were. */
class ReplayedWorld {
  readonly random: Random
  readonly transport: Transport
  /** What it refuses must be refused again. */
  readonly bfd: BfdSource | undefined
  readonly routerDiscovery: RouterDiscovery | undefined
  readonly #bfd = new Watchers<BfdState>()
  readonly #routers = new Watchers<RouterNews>()
  readonly #connections = new Map<number, ReplayedConnection>()
  readonly #accepted = new Arrivals<Connection>()
  /** By remote end. */
  readonly #connecting = new Outcomes<Connection>()
  /** By place. */
  readonly #listening = new Outcomes<Listener>()
  readonly #protections: Extract<Answer, { kind: 'protection' }>[]

  constructor(inputs: readonly RecordedInput[]) {
    this.#protections = inputs.filter((input) => input.kind === 'protection')
    const values = inputs.flatMap((input) => (input.kind === 'random' ? [input.value] : []))
    let next = 0
    const source = inputs.find((input) => input.kind === 'bfd-source')
    if (source !== undefined) this.bfd = { devices: source.devices, watch: (path, changed) => this.#bfd.add(pathText(path), changed) }
    if (inputs.some(({ kind }) => kind === 'router-discovery'))
      this.routerDiscovery = { watch: (device, told) => this.#routers.add(device, told) }
    this.random = { uint32: () => values[next++] ?? 0 }
    this.transport = {
      connect: ({ remote, signal }) => this.#connecting.of(keyOf(remote), signal),
      listen: (place) => this.#listening.of(keyOf(place)),
    }
  }

  happen(input: Exclude<RecordedInput, Answer | { kind: 'call' }>): void {
    switch (input.kind) {
      case 'connected':
        return this.#connecting.settle(keyOf(input.remote), this.#open(input))
      case 'refused':
        return this.#connecting.settle(keyOf(input.remote), new TransportError('transport.failed', input.message))
      case 'listening':
        return this.#listening.settle(keyOf(input.place), this.#listener(input))
      case 'not-listening':
        return this.#listening.settle(keyOf(input.place), new TransportError('transport.failed', input.message))
      case 'accepted':
        return this.#accepted.push(this.#open(input))
      case 'bfd':
        return this.#bfd.tell(input.path, input.state)
      case 'router':
        return this.#routers.tell(input.device, input.news)
      case 'octets':
        return this.#connections.get(input.connection)?.queue.push({ bytes: input.bytes })
      case 'ended':
        return this.#connections.get(input.connection)?.queue.push({})
      default:
        return this.#connections.get(input.connection)?.queue.push({ error: input.message })
    }
  }

  #open({ connection, local, remote }: { readonly connection: number; readonly local: Endpoint; readonly remote: Endpoint }): Connection {
    const opened = new ReplayedConnection(local, remote)
    this.#connections.set(connection, opened)
    return opened
  }

  #listener({ place, protects }: Extract<RecordedInput, { kind: 'listening' }>): Listener {
    return {
      local: place,
      connections: this.#accepted,
      close: () => Promise.resolve(),
      ...(protects ? { protect: () => this.#protect() } : {}),
    }
  }

  #protect(): void {
    const refused = this.#protections.shift()?.refused
    if (refused !== undefined) throw new TransportError('transport.unsupported', refused)
  }
}

/** Attempts that wait for their outcome, and outcomes that came before their attempt, by the name of what was attempted. */
class Outcomes<Result> {
  readonly #waiting = new Map<string, ((outcome: Result | TransportError) => void)[]>()
  readonly #known = new Map<string, (Result | TransportError)[]>()

  settle(key: string, outcome: Result | TransportError): void {
    const waiting = this.#waiting.get(key)?.shift()
    if (waiting !== undefined) waiting(outcome)
    else this.#known.set(key, [...(this.#known.get(key) ?? []), outcome])
  }

  of(key: string, signal?: AbortSignal): Promise<Result> {
    return new Promise((resolve, reject) => {
      const end = (outcome: Result | TransportError): void => (outcome instanceof TransportError ? reject(outcome) : resolve(outcome))
      const known = this.#known.get(key)?.shift()
      if (known !== undefined) return end(known)
      // one that is called off was recorded as refused at that moment: its outcome comes all the same
      this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), end])
      return signal?.addEventListener('abort', () => reject(new TransportError('transport.aborted', key)))
    })
  }
}

/** Delivers what arrived then; what is written goes nowhere. */
class ReplayedConnection implements Connection {
  readonly queue = new Arrivals<{ readonly bytes?: Uint8Array; readonly error?: string }>()
  readonly queued = 0

  constructor(
    readonly local: Endpoint,
    readonly remote: Endpoint,
  ) {}

  readonly chunks: AsyncIterable<Uint8Array> = this.#deliver()

  write(): boolean {
    return true
  }

  drained(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  reset(): void {
    // the peer that would notice is not there
  }

  async *#deliver(): AsyncGenerator<Uint8Array> {
    for await (const { bytes, error } of this.queue) {
      if (error !== undefined) throw new TransportError('transport.reset', error)
      if (bytes === undefined) return
      yield bytes
    }
  }
}

/** Who waits for news of something that has a name. */
class Watchers<News> {
  readonly #told = new Map<string, Set<(news: News) => void>>()

  add(name: string, told: (news: News) => void): { stop(): void } {
    const all = this.#told.get(name) ?? new Set()
    this.#told.set(name, all.add(told))
    return { stop: () => all.delete(told) }
  }

  tell(name: string, news: News): void {
    for (const told of this.#told.get(name) ?? []) told(news)
  }
}

/** Values in their order, none of which is lost, for one reader. */
class Arrivals<T> implements AsyncIterable<T> {
  readonly #values: T[] = []
  #wake: () => void = () => undefined

  push(value: T): void {
    this.#values.push(value)
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const [value] = this.#values
      if (this.#values.length > 0) {
        this.#values.shift()
        yield value
      } else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

function keyOf({ address, port, zone = '' }: Endpoint): string {
  return `${address}%${zone} port ${port}`
}
