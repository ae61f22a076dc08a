import type { Speaker } from '@heddle/bgp'
import type {
  Dataplane,
  DataplaneCapabilities,
  DataplaneEvent,
  DataplaneState,
  EndpointRow,
  EndpointService,
  EndpointView,
  MirroredPacket,
  TracedPacket,
  TraceIntent,
} from '@heddle/core'
import { checkEndpoints, IntentError, leastUnderlayMtu } from '@heddle/core'
import { fromBgp } from '@heddle/exchange'
import { SafeEvents, logFailedCallback, silentLogger, type Clock, type Logger } from '@heddle/io'
import type * as typed from 'typed-emitter'
import { AgentError } from './agent-error.js'
import { checkWatching } from './bgp/dataplane-bfd.js'
import { composeParts, type AgentParts } from './agent-parts.js'
import { intentChanges, type ConfigChange } from './bgp/config-change.js'
import { neighborsWithoutHoldTime, restartConfig, restartTimeOf } from './bgp/restart.js'
import type { SpeakerNode, StopOptions } from './bgp/speaker-node.js'
import type { AgentConfig } from './config.js'
import { healthMetrics } from './health/health-metrics.js'
import type { HealthProbe } from './health/health-probe.js'
import { unaskedServices } from './health/unasked-services.js'
import { checkReconfigurable } from './reconfigurable.js'
import { DataplaneKeeper, type DataplaneSource } from './dataplane/dataplane-keeper.js'
import type { CaptureRequest } from './observe/packet-observers.js'
import { Serial } from './serial.js'
import { Adoption } from './sync/adoption.js'
import { agentRows } from './view/agent-rows.js'
import type { ViewName, Views } from './view/rows.js'
import type { World } from './world.js'

/** What an agent is made of: its configuration, and what it meets the world through. */
export interface AgentOptions extends Omit<World, 'logger' | 'bfd'> {
  readonly config: AgentConfig
  readonly dataplane: DataplaneSource
  /** Asks backends of services that say `health`. Default: nothing does, and such services are refused. */
  readonly probe?: HealthProbe
  /** Default: silent. */
  readonly logger?: Logger
}

/** Control events of an agent; never one per route. What a listener throws is logged, and stops neither the agent nor other listeners. */
export type AgentEvents = {
  /** An endpoint came into another state. */
  endpoint: (endpoint: EndpointView) => void
  /** The dataplane is gone, or another one is there in its place. */
  dataplane: (state: 'lost' | 'replaced') => void
  /** What was found in the dataplane at the start has been compared with what the peers told, and what nobody wants was removed. */
  reconciled: () => void
}

/**
 * The virtual-router agent of a node: takes routes from its BGP peers and intents from whoever runs it, keeps the dataplane to what follows from
 * them, and tells the peers of the endpoints that the dataplane really holds.
 *
 * A dataplane that holds something already is taken over: endpoints keep their devices and labels, packets flow on, and nothing is removed until the
 * peers have told their routes again (RFC 4724).
 *
 * @example
 * const agent = await Agent.start({ config, dataplane: () => tunDataplane({ … }), clock, random, transport })
 * await agent.endpoints.add({ vrf: 'red', netns: '/run/netns/pod', ifname: 'eth0', addresses })
 */
export class Agent implements AsyncDisposable {
  /** Control events. */
  readonly events: typed.default<AgentEvents>
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #keeper: DataplaneKeeper
  readonly #serial = new Serial()
  readonly #parts: AgentParts
  #config: AgentConfig
  #adoption: Adoption | undefined
  #following: Promise<void> = Promise.resolve()
  #stopped: Promise<void> | undefined

  private constructor(options: AgentOptions, keeper: DataplaneKeeper, parts: AgentParts) {
    this.#logger = options.logger ?? silentLogger
    this.events = new SafeEvents(logFailedCallback(this.#logger)) as unknown as typed.default<AgentEvents>
    this.#clock = options.clock
    this.#config = options.config
    this.#keeper = keeper
    this.#parts = parts
  }

  /**
   * Starts an agent; resolves when the endpoints of its configuration that can be attached are, and BGP listens.
   *
   * @throws SpeakerError `speaker.config`, `speaker.listen`; IntentError; DataplaneError. Then nothing of it is left: a dataplane that held nothing
   * before holds nothing, and one that was taken over, or whose state cannot be had, goes on as it was.
   */
  static async start(options: AgentOptions): Promise<Agent> {
    const { config, dataplane: origin, probe, logger = silentLogger, ...rest } = options
    const { clock } = rest
    let agent: Agent | undefined
    const keeper = new DataplaneKeeper({
      source: origin,
      clock,
      logger,
      event: (event) => {
        if (agent !== undefined) agent.#told(event)
      },
      lost: () => {
        if (agent !== undefined) agent.#lost()
      },
      fill: async (dataplane) => {
        if (agent !== undefined) await agent.#fill(dataplane)
      },
      replaced: () => {
        if (agent !== undefined) agent.events.emit('dataplane', 'replaced')
      },
    })
    const dataplane = await keeper.open()
    let found: DataplaneState | undefined
    try {
      found = await keeper.dump(dataplane)
      checkWatching(config, dataplane)
      const isTakenOver = found.generation > 0
      const parts = composeParts(config, {
        ...rest,
        logger,
        dataplane,
        probe,
        current: () => keeper.current,
        required: () => keeper.required,
        gracefulRestart: (bgp) => restartConfig(bgp, { survives: keeper.survives, restarting: isTakenOver }),
        endpointChanged: (endpoint) => agent?.events.emit('endpoint', endpoint),
      })
      agent = new Agent(options, keeper, parts)
      await agent.#begin(dataplane, isTakenOver ? found : undefined)
      return agent
    } catch (error) {
      // What one holds that cannot be looked at may be another agent's.
      const keep = found === undefined || found.generation > 0
      if (agent === undefined) await keeper.close({ keep })
      else await agent.stop({ restart: keep })
      throw error
    }
  }

  /** Name of the node, as the configuration has it. */
  get name(): string {
    return this.#config.name
  }

  /** Where BGP sessions are accepted. */
  get listening(): SpeakerNode['listening'] {
    return this.#parts.node.listening
  }

  /** The BGP speaker, to look at: what it tells and takes is the agent's. */
  get speaker(): Speaker {
    return this.#parts.node.speaker
  }

  /** Attaches and detaches workloads: what a CNI calls. */
  get endpoints(): EndpointService {
    return this.#parts.endpoints
  }

  /** What the dataplane can do. */
  get capabilities(): DataplaneCapabilities {
    return this.#parts.capabilities
  }

  /** What there is to say of a dataplane that is lost, and why no other one is there yet where that is known; undefined while there is one. */
  get dataplaneLost(): string | undefined {
    return this.#keeper.lost
  }

  /** What the dataplane really holds. @throws AgentError `agent.dataplane-lost`; DataplaneError */
  async state(): Promise<DataplaneState> {
    return this.#keeper.required.dump()
  }

  /** What the agent has, as plain data. @throws AgentError `agent.dataplane-lost`, DataplaneError for what only the dataplane knows */
  async show<Name extends ViewName>(what: Name): Promise<Views[Name]> {
    return (await agentRows(what, this.#parts, () => this.#keeper.required)) as Views[Name]
  }

  /** What is counted of backends that are asked, in the OpenMetrics format without its end line: `service_backend_up`, `service_probes_total`. */
  metrics(): string {
    return healthMetrics(this.#parts.health)
  }

  /**
   * Brings the agent to another configuration: neighbors, VRFs, endpoints and networks that are the same do not notice.
   *
   * @returns what was done
   * @throws AgentError `agent.needs-restart`, `agent.vrf-in-use`, `agent.unsupported`, `agent.stopped`; IntentError. Then nothing was changed.
   */
  async reconfigure(config: AgentConfig): Promise<ConfigChange[]> {
    return this.#serial.run(async () => this.#reconfigure(config))
  }

  /**
   * Live packets, and what the dataplane does with them, step by step, until the signal or the consumer's leaving ends it. A gap in `sequence` shows
   * packets that were left out.
   *
   * @throws AgentError `agent.unsupported`, `agent.unknown`, `agent.stopped`; `agent.dataplane-lost` where it would begin without one: while it goes on it
   * waits for the next
   */
  trace(intent: TraceIntent, signal?: AbortSignal): AsyncIterable<TracedPacket> {
    return this.#parts.observers.trace(intent, signal)
  }

  /** The endpoint whose port has this id in the dataplane. */
  endpointAt(port: number): EndpointRow | undefined {
    return this.#parts.model.endpoints().find((endpoint) => endpoint.port === port)
  }

  /** Live copies of the packets of an endpoint; ends and throws as `trace`. */
  capture(request: CaptureRequest, signal?: AbortSignal): AsyncIterable<MirroredPacket> {
    return this.#parts.observers.capture(request, signal)
  }

  /** What `reconfigure` would do. Nothing happens. @throws as `reconfigure` */
  plan(config: AgentConfig): ConfigChange[] {
    this.#checkReconfigurable(config)
    return this.#changes(config)
  }

  /** Withdraws, sends Cease and ends, with the dataplane that it opened. Idempotent. */
  async stop(options: StopOptions = {}): Promise<void> {
    this.#stopped ??= this.#end(options)
    await this.#stopped
  }

  /** As `stop()`: withdraws and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #begin(dataplane: Dataplane, found: DataplaneState | undefined): Promise<void> {
    const { model, node, bfd, synchronizer, endpoints, health, capabilities } = this.#parts
    const problems = [...checkEndpoints(this.#config.endpoints, capabilities), ...unaskedServices(this.#config, health)]
    if (problems.length > 0) throw new IntentError(problems)
    synchronizer.use(dataplane)
    const adopted = found === undefined ? [] : model.adopt(found)
    if (found !== undefined) bfd.learn(found)
    model.setIntents(this.#config.vrfs, this.#config.traffic ?? {})
    endpoints.want(this.#config.endpoints, 'configured')
    endpoints.want(adopted, 'adopted')
    await endpoints.attachAll()
    health.follow(this.#config.traffic?.services)
    await synchronizer.run()
    node.speaker.setRouteTargetMembership(model.importTargets())
    if (found !== undefined) {
      this.#logger.info('a running dataplane was taken over', { generation: found.generation, endpoints: adopted.length })
      this.#adoption = new Adoption({
        speaker: node.speaker,
        clock: this.#clock,
        deadline: restartTimeOf(this.#config.bgp) * 1000,
        ended: () => void this.#adopted(),
      })
    }
    this.#following = this.#follow()
    this.#warnOfEndlessRoutes()
    this.#warnOfLostIpv6(this.#config.underlayMtu)
    await node.start()
    this.#adoption?.check()
  }

  /** Takes what peers tell into the model. One batch waits for the dataplane, the next one gathers meanwhile. */
  async #follow(): Promise<void> {
    const { model, node, synchronizer } = this.#parts
    for await (const changes of node.speaker.changes) {
      model.applyRoutes(fromBgp(changes))
      await synchronizer.run()
      this.#adoption?.check()
    }
  }

  async #adopted(): Promise<void> {
    if (this.#stopped !== undefined) return
    this.#adoption = undefined
    this.#parts.model.endAdoption()
    await this.#parts.synchronizer.run()
    this.#logger.info('the dataplane is reconciled')
    this.events.emit('reconciled')
  }

  #told(event: DataplaneEvent): void {
    if (event.type === 'port-down') this.#parts.endpoints.deviceGone(event.port, event.reason ?? 'the device is gone')
    else if (event.type === 'underlay-changed') this.#tellUnderlay(event)
    else if ('liveness' in event) this.#heard(event)
    else this.#parts.observers.told(event)
  }

  #tellUnderlay({ local, mtu, remote }: Extract<DataplaneEvent, { readonly type: 'underlay-changed' }>): void {
    const path = remote === undefined ? {} : { remote: String(remote) }
    this.#logger.info(remote === undefined ? 'the underlay changed' : 'a path of the underlay changed', {
      local: String(local),
      ...path,
      mtu,
    })
    this.#warnOfLostIpv6(mtu, path)
  }

  /** No sender makes IPv6 packets smaller than 1,280 octets, whatever it is told (RFC 8201 §4). */
  #warnOfLostIpv6(mtu: number, path: { readonly remote?: string } = {}): void {
    const { model } = this.#parts
    const { address, vrfs } = this.#config
    const kinds = vrfs.map(({ name }) => ({ underlayFamilies: [address.family], encapsulations: model.encapsulationsOf(name) }))
    const needed = Math.max(0, ...kinds.map(leastUnderlayMtu))
    if (mtu >= needed) return
    this.#logger.warn('the underlay takes less than IPv6 needs: of endpoints’ packets of up to 1,280 octets the largest are lost', {
      ...path,
      mtu,
      needed,
    })
  }

  #heard(event: Extract<DataplaneEvent, { readonly liveness: number }>): void {
    const { model, bfd, synchronizer } = this.#parts
    bfd.heard(event)
    if (model.watchedPaths.heard(event.liveness, event.type !== 'liveness-down')) void synchronizer.run()
  }

  #lost(): void {
    this.#logger.error('the dataplane is gone')
    this.#parts.synchronizer.use(undefined)
    this.#parts.endpoints.dataplaneGone()
    this.#parts.bfd.lost()
    void this.#parts.synchronizer.run() // tells the peers
    this.events.emit('dataplane', 'lost')
  }

  async #fill(dataplane: Dataplane): Promise<void> {
    const { model, bfd, synchronizer, endpoints } = this.#parts
    const state = await this.#keeper.dump(dataplane)
    checkWatching(this.#config, dataplane)
    model.replaced(state)
    bfd.learn(state)
    synchronizer.use(dataplane)
    await endpoints.attachAll()
    await synchronizer.run()
  }

  async #reconfigure(config: AgentConfig): Promise<ConfigChange[]> {
    const { model, node, rest, synchronizer, endpoints, health } = this.#parts
    this.#checkReconfigurable(config)
    const changes = this.#changes(config)
    // what can be refused by the system comes first, as long as nothing has changed
    await node.reconfigure(config)
    rest.reconfigure(config.bgp)
    await endpoints.unconfigure(config.endpoints)
    model.setIntents(config.vrfs, config.traffic ?? {})
    node.speaker.setRouteTargetMembership(model.importTargets())
    this.#config = config
    this.#warnOfEndlessRoutes()
    await endpoints.configure(config.endpoints)
    health.follow(config.traffic?.services)
    await synchronizer.run()
    return changes
  }

  #warnOfEndlessRoutes(): void {
    const neighbors = neighborsWithoutHoldTime(this.#config.bgp)
    if (neighbors.length === 0) return
    const what = 'a neighbor without hold time that is cut off keeps routes for longer than their labels rest: set a hold time, or use BFD'
    this.#logger.warn(what, { neighbors })
  }

  #checkReconfigurable(config: AgentConfig): void {
    if (this.#stopped !== undefined) throw new AgentError('agent.stopped', 'the agent is stopping')
    checkReconfigurable(this.#config, config, { ...this.#parts, dataplane: this.#keeper.current })
  }

  #changes(config: AgentConfig): ConfigChange[] {
    return [...this.#parts.node.plan(config), ...intentChanges(this.#config, config)]
  }

  async #end({ restart = false }: StopOptions): Promise<void> {
    const { node, bfd, synchronizer, endpoints } = this.#parts
    this.#adoption?.cancel()
    bfd.stop()
    endpoints.stop()
    this.#parts.health.stop()
    this.#parts.observers.end()
    synchronizer.stop()
    await node.stop({ restart })
    await this.#following
    await this.#keeper.close({ keep: restart })
  }
}
