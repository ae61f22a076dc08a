import {
  hasFeature,
  type Dataplane,
  type DataplaneCapabilities,
  type DataplaneEvent,
  type DataplaneFeature,
  type EndpointIntent,
  type MirrorDirection,
  type MirroredPacket,
  type Observation,
  type OverlayModel,
  type TraceIntent,
  type TracedPacket,
} from '@heddle/core'
import { EventQueue } from '@heddle/io'
import { AgentError } from '../agent-error.js'
import { describeFailure, type Synchronizer } from '../sync/synchronizer.js'

/** Whose packets are captured. */
export interface CaptureRequest extends Pick<EndpointIntent, 'netns' | 'ifname'> {
  /** `both` when left out. */
  readonly direction?: MirrorDirection | 'both'
  /** Octets of a packet that are copied at most; all when left out. */
  readonly snapLength?: number
}

export interface PacketObserversOptions {
  readonly model: OverlayModel
  readonly synchronizer: Synchronizer
  /** @throws AgentError `agent.dataplane-lost` */
  readonly dataplane: () => Dataplane
  readonly capabilities: DataplaneCapabilities
}

type Told = MirroredPacket | TracedPacket

/** Those who look at live packets: what the dataplane tells goes to whoever asked for it. */
export class PacketObservers {
  readonly #options: PacketObserversOptions
  /** By `mirror ID` or `trace ID`. */
  readonly #queues = new Map<string, Set<EventQueue<Told>>>()
  #ended = false

  constructor(options: PacketObserversOptions) {
    this.#options = options
  }

  /** What the dataplane told. */
  told(event: DataplaneEvent): void {
    const key = event.type === 'mirrored' ? `mirror ${event.mirror}` : event.type === 'traced' ? `trace ${event.trace}` : ''
    for (const queue of this.#queues.get(key) ?? []) queue.push(event as Told)
  }

  trace(intent: TraceIntent, signal?: AbortSignal): AsyncIterable<TracedPacket> {
    return this.#observe<TracedPacket>('trace', () => this.#options.model.trace(intent), `vrf ${intent.vrf}`, signal)
  }

  capture({ netns, ifname, direction = 'both', snapLength }: CaptureRequest, signal?: AbortSignal): AsyncIterable<MirroredPacket> {
    const begin = (): Observation | undefined => this.#options.model.mirror({ netns, ifname }, direction, snapLength)
    return this.#observe<MirroredPacket>('mirror', begin, `endpoint ${ifname} of ${netns}`, signal)
  }

  /** Ends all that is observed. */
  end(): void {
    this.#ended = true
    for (const queues of this.#queues.values()) for (const queue of queues) queue.end()
  }

  /** Whether there are as many traces as the dataplane takes. */
  get #hasAllTraces(): boolean {
    const { traces = Number.POSITIVE_INFINITY } = this.#options.capabilities.limits
    return [...this.#queues.keys()].filter((key) => key.startsWith('trace ')).length >= traces
  }

  async *#observe<T extends Told>(
    feature: Extract<DataplaneFeature, 'mirror' | 'trace'>,
    begin: () => Observation | undefined,
    subject: string,
    signal?: AbortSignal,
  ): AsyncGenerator<T, void, undefined> {
    const { capabilities, synchronizer } = this.#options
    if (this.#ended) throw new AgentError('agent.stopped', 'the agent is stopping')
    if (!hasFeature(capabilities, feature)) {
      throw new AgentError('agent.unsupported', `the dataplane ${capabilities.kind} does not offer ${feature}`)
    }
    if (signal?.aborted === true) return
    this.#options.dataplane() // without one, nothing would be seen, and nobody told
    const observation = begin()
    if (observation === undefined) throw new AgentError('agent.unknown', `there is no ${subject}`)
    const key = `${feature} ${observation.id}`
    if (feature === 'trace' && !this.#queues.has(key) && this.#hasAllTraces) {
      // The dataplane would refuse each transaction for it, whatever that was about.
      observation.release()
      throw new AgentError('agent.unsupported', `the dataplane ${capabilities.kind} takes ${capabilities.limits.traces} traces at once`)
    }
    const queue = new EventQueue<Told>()
    const events = queue[Symbol.asyncIterator]()
    const queues = this.#queues.get(key) ?? new Set()
    this.#queues.set(key, queues.add(queue))
    const end = (): void => queue.end()
    signal?.addEventListener('abort', end, { once: true })
    try {
      await synchronizer.run()
      const refused = synchronizer.failures.find(({ object }) => `${object.kind} ${object.key}` === key)
      if (refused !== undefined) {
        throw new AgentError('agent.unsupported', `the dataplane ${capabilities.kind} did not take it: ${describeFailure(refused)}`)
      }
      for (let next = await events.next(); next.done !== true; next = await events.next()) yield next.value as T
    } finally {
      signal?.removeEventListener('abort', end)
      queues.delete(queue)
      if (queues.size === 0) this.#queues.delete(key)
      observation.release()
      await synchronizer.run()
    }
  }
}
