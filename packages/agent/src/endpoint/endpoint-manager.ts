import {
  DataplaneError,
  EndpointError,
  type Dataplane,
  type EndpointRequest,
  type EndpointService,
  type EndpointView,
  type OverlayModel,
} from '@heddle/core'
import type { Clock, Logger } from '@heddle/io'
import { Backoff } from '../backoff.js'
import { describeFailure, type Synchronizer } from '../sync/synchronizer.js'
import { EndpointEntry, sameRequest, type EndpointOrigin } from './endpoint-entry.js'
import { EndpointTable } from './endpoint-table.js'

export interface EndpointManagerOptions {
  readonly model: OverlayModel
  readonly synchronizer: Synchronizer
  readonly clock: Clock
  readonly logger: Logger
  /** MTU of the devices of a VRF, octets. */
  readonly mtu: (vrf: string) => number
  /** The dataplane while there is one. */
  readonly dataplane: () => Dataplane | undefined
  readonly changed: (endpoint: EndpointView) => void
}

/** Retries of endpoints that the configuration wants and the machine does not give, milliseconds. */
const RETRY = { first: 500, most: 15_000 } as const

/**
 * The endpoints of a node: each is wanted by the model, programmed, given its device, and told to the peers, in this order; and taken back in the
 * opposite one. Several are worked on at once; what is asked of one endpoint happens in the order of the calls.
 */
export class EndpointManager implements EndpointService {
  readonly #options: EndpointManagerOptions
  readonly #entries = new EndpointTable()
  readonly #retry: Backoff
  #stopped = false

  constructor(options: EndpointManagerOptions) {
    this.#options = options
    this.#retry = new Backoff(options.clock, () => void this.attachAll(), RETRY)
  }

  list(): readonly EndpointView[] {
    return [...this.#entries].map((entry) => entry.view())
  }

  find(what: Parameters<EndpointService['find']>[0]): EndpointView | undefined {
    const entry = 'netns' in what ? this.#entries.at(what) : this.#entries.withAddress(what.vrf, what.address)
    return entry?.view()
  }

  async add(request: EndpointRequest, signal?: AbortSignal): Promise<EndpointView> {
    signal?.throwIfAborted()
    this.#mustRun()
    const known = this.#entries.at(request)
    if (known !== undefined) {
      if (!sameRequest(known.request, request)) {
        throw new EndpointError(
          'endpoint.conflict',
          `${request.ifname} of ${request.netns} is attached with another VRF or link, or other addresses or rate limits`,
        )
      }
      if (known.origin === 'adopted') known.origin = 'requested'
      await known.serial.run(async () => this.#attach(known, signal))
      return known.view()
    }
    if (this.#options.dataplane() === undefined) throw absent()
    const entry = this.#want(request, 'requested')
    try {
      await entry.serial.run(async () => this.#attach(entry, signal))
      return entry.view()
    } catch (error) {
      await this.#remove(entry)
      throw error
    }
  }

  async remove(endpoint: Pick<EndpointRequest, 'netns' | 'ifname'>, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    this.#mustRun()
    const entry = this.#entries.at(endpoint)
    if (entry !== undefined) await this.#remove(entry)
  }

  /**
   * Wants endpoints, which `attachAll` gives their devices. Of those for one device the first one counts; an adopted one that cannot be had, because
   * its VRF is gone or its address is another one's, is not wanted any more.
   */
  want(requests: readonly (EndpointRequest & { readonly mtu?: number })[], origin: EndpointOrigin): void {
    for (const { mtu: _former, ...request } of requests) {
      if (this.#entries.at(request) === undefined) this.#tolerate(request, origin)
    }
  }

  /** Brings configured endpoints to what is wanted; those of other origin stay. The VRFs of `wanted` must be there. */
  async configure(wanted: readonly EndpointRequest[]): Promise<void> {
    await this.unconfigure(wanted)
    for (const request of wanted) {
      const known = this.#entries.at(request)
      if (known === undefined) continue
      if (sameRequest(known.request, request)) known.origin = 'configured'
      else await this.#remove(known)
    }
    this.want(wanted, 'configured')
    await this.attachAll()
  }

  /** Removes configured endpoints that are not among `wanted`. */
  async unconfigure(wanted: readonly EndpointRequest[]): Promise<void> {
    await Promise.all(this.#unwanted(wanted).map(async (entry) => this.#remove(entry)))
  }

  /** What `unconfigure` would remove. */
  unwanted(wanted: readonly EndpointRequest[]): readonly EndpointRequest[] {
    return this.#unwanted(wanted).map(({ request }) => request)
  }

  /** Gives every endpoint that has none its device; those that cannot have it yet are tried again later. */
  async attachAll(): Promise<void> {
    const waiting = [...this.#entries].filter(({ state }) => state !== 'attached')
    const results = await Promise.allSettled(
      waiting.map(async (entry) => entry.serial.run(async () => (this.#stopped ? undefined : this.#attach(entry)))),
    )
    if (results.every(({ status }) => status === 'fulfilled')) this.#retry.reset()
    else if (!this.#stopped) this.#retry.schedule()
  }

  /** The device of a port went away. */
  deviceGone(port: number, reason: string): void {
    const entry = this.#entries.atPort(port)
    if (entry?.state !== 'attached') return
    this.#options.logger.warn('the device of an endpoint is gone', { ...entry.request, reason })
    this.#detached(entry, reason)
    void this.#options.synchronizer.run()
    this.#retry.schedule()
  }

  /** Every device went away, with the dataplane; `attachAll` gives new ones. */
  dataplaneGone(): void {
    for (const entry of this.#entries) if (entry.state === 'attached') this.#detached(entry, 'the dataplane is gone')
  }

  /** Ends retries and refuses what comes. */
  stop(): void {
    this.#stopped = true
    this.#retry.reset()
  }

  /** A new entry, known to the model. @throws EndpointError */
  #want(request: EndpointRequest, origin: EndpointOrigin): EndpointEntry {
    const entry = new EndpointEntry(request, origin, this.#options.mtu(request.vrf))
    this.#admit(entry)
    this.#entries.add(entry)
    return entry
  }

  /** As `#want`, but an endpoint that the model refuses is kept as failed. */
  #tolerate(request: EndpointRequest, origin: EndpointOrigin): void {
    const entry = new EndpointEntry(request, origin, this.#options.mtu(request.vrf))
    this.#entries.add(entry)
    try {
      this.#admit(entry)
    } catch (error) {
      if (!(error instanceof EndpointError)) throw error
      if (origin === 'adopted') this.#entries.delete(entry)
      else this.#failed(entry, error)
    }
  }

  #admit(entry: EndpointEntry): void {
    const { label, port } = this.#options.model.addEndpoint({ ...entry.request, mtu: entry.mtu })
    entry.label = label
    this.#entries.give(entry, port)
  }

  async #attach(entry: EndpointEntry, signal?: AbortSignal): Promise<void> {
    if (entry.removed) throw new EndpointError('endpoint.invalid', 'the endpoint was removed meanwhile')
    if (entry.state === 'attached') return
    try {
      if (entry.port === undefined) this.#admit(entry)
      await this.#program(entry)
      signal?.throwIfAborted()
      await this.#makeDevice(entry)
      signal?.throwIfAborted()
    } catch (error) {
      if (!entry.removed) this.#failed(entry, error as Error)
      throw error
    }
    entry.state = 'attached'
    entry.error = undefined
    this.#options.model.setAttached(entry.request, true)
    await this.#options.synchronizer.run()
    this.#options.changed(entry.view())
  }

  /** @throws EndpointError `endpoint.dataplane` when the dataplane did not take the endpoint */
  async #program(entry: EndpointEntry): Promise<void> {
    const { synchronizer, model } = this.#options
    await synchronizer.run()
    if (model.isProgrammed(entry.request)) return
    const [failure] = synchronizer.failures
    throw failure === undefined ? absent() : new EndpointError('endpoint.dataplane', describeFailure(failure))
  }

  /** @throws EndpointError `endpoint.netns-missing`, `endpoint.dataplane` */
  async #makeDevice(entry: EndpointEntry): Promise<void> {
    const { netns, ifname, addresses, routes } = entry.request
    const device = { netns, ifname, addresses, ...(routes === undefined ? {} : { routes }) }
    const dataplane = this.#options.dataplane()
    if (dataplane === undefined || entry.port === undefined) throw absent()
    try {
      const { mtu, mac } = await dataplane.attachPort(entry.port, { ...device, mtu: entry.mtu })
      // Nobody would give it another device: who is told of the loss looks at what is attached.
      if (this.#options.dataplane() !== dataplane) throw new DataplaneError('dataplane.lost', 'the dataplane was lost meanwhile')
      entry.mtu = mtu
      entry.mac = mac
    } catch (cause) {
      if (!(cause instanceof DataplaneError)) throw cause
      const code = cause.code === 'dataplane.netns-missing' ? 'endpoint.netns-missing' : 'endpoint.dataplane'
      throw new EndpointError(code, cause.message, { cause })
    }
  }

  /** Takes an endpoint back, behind what is under way with it. */
  async #remove(entry: EndpointEntry): Promise<void> {
    entry.removed = true
    await entry.serial.run(async () => {
      if (this.#entries.at(entry.request) !== entry) return
      this.#entries.delete(entry)
      const { model, synchronizer } = this.#options
      if (entry.port === undefined) return
      model.removeEndpoint(entry.request)
      await synchronizer.run()
      // The device goes with its port; but not while nothing is removed, because a dataplane is being taken over.
      if (model.isAdopting) await this.#removeDevice(entry.port)
    })
  }

  async #removeDevice(port: number): Promise<void> {
    try {
      await this.#options.dataplane()?.detachPort(port)
    } catch (error) {
      if (!(error instanceof DataplaneError)) throw error
      this.#options.logger.debug('a device was not removed, because the dataplane is gone', { port, error: error.message })
    }
  }

  #failed(entry: EndpointEntry, error: Error): void {
    entry.state = 'failed'
    const isNews = entry.error !== error.message
    entry.error = error.message
    if (isNews) this.#options.logger.warn('an endpoint could not be attached', { ...textsOf(entry.request), error: error.message })
    if (isNews) this.#options.changed(entry.view())
  }

  #detached(entry: EndpointEntry, reason: string): void {
    entry.state = 'failed'
    entry.error = reason
    this.#options.model.setAttached(entry.request, false)
    this.#options.changed(entry.view())
  }

  #unwanted(wanted: readonly EndpointRequest[]): readonly EndpointEntry[] {
    return [...this.#entries].filter(
      ({ origin, request }) => origin === 'configured' && !wanted.some((other) => sameRequest(other, request)),
    )
  }

  #mustRun(): void {
    if (this.#stopped) throw new EndpointError('endpoint.dataplane', 'the node is stopping')
  }
}

function absent(): EndpointError {
  return new EndpointError('endpoint.dataplane', 'the dataplane is not there')
}

function textsOf({ vrf, netns, ifname, addresses }: EndpointRequest): Readonly<Record<string, unknown>> {
  return { vrf, netns, ifname, addresses: addresses.map(String) }
}
