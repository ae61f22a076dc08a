import {
  changedFixed,
  LOCAL_PEER,
  L2VPN_EVPN,
  Speaker,
  VPNV4_UNICAST,
  VPNV6_UNICAST,
  type Reconciliation,
  type SpeakerConfig,
} from '@heddle/bgp'
import { toBgp } from '@heddle/exchange'
import type { VpnRouteChange } from '@heddle/core'
import { AgentError } from '../agent-error.js'
import type { SpeakerNodeConfig } from '../config.js'
import { neighborRow, speakerRouteRows } from '../view/bgp-views.js'
import type { ViewName, Views } from '../view/rows.js'
import type { BfdView, World } from '../world.js'
import { Monitoring } from './monitoring.js'
import { neighborChange, settingChange, vrfChange, type ConfigChange } from './config-change.js'
import { networkChanges, networkPlan } from './networks.js'

/** How long withdrawals may take to reach the peers before the sessions end, milliseconds. */
const FLUSH_TIMEOUT = 1_000

/** How an agent or speaker ends. */
export interface StopOptions {
  /**
   * It comes back soon: towards peers that negotiated graceful restart the sessions break off without a word (RFC 4724 §4), and forwarding goes on
   * where the dataplane outlives this process. Default `false`.
   */
  readonly restart?: boolean
}

/** A BGP speaker by its configuration, which can change while it runs: a route reflector, or the BGP side of an agent. */
export class SpeakerNode implements AsyncDisposable {
  /** The speaker itself, for what its configuration does not say. It is stopped with this object. */
  readonly speaker: Speaker
  #config: SpeakerNodeConfig
  readonly #overrides: (bgp: SpeakerConfig) => Pick<SpeakerConfig, 'gracefulRestart'>
  readonly #monitoring: Monitoring
  readonly #bfd: BfdView | undefined
  #started = false
  #stopped: Promise<void> | undefined

  /**
   * Begins nothing yet; see `start`.
   *
   * @param overrides what is not a matter of configuration, because only the moment tells it
   * @throws SpeakerError `speaker.config`
   */
  constructor(
    config: SpeakerNodeConfig,
    world: World,
    overrides: (bgp: SpeakerConfig) => Pick<SpeakerConfig, 'gracefulRestart'> = () => ({}),
  ) {
    this.#config = config
    this.#overrides = overrides
    this.#monitoring = new Monitoring(config, world)
    this.#bfd = world.bfd
    const { originValidator } = this.#monitoring
    this.speaker = new Speaker({
      ...world,
      config: { ...config.bgp, ...overrides(config.bgp) },
      ...(originValidator === undefined ? {} : { originValidator }),
    })
    this.#publish(networkChanges([], config.networks))
  }

  /** Name of the node, as the configuration has it. */
  get name(): string {
    return this.#config.name
  }

  /** Where BGP sessions are accepted. */
  get listening(): Speaker['listening'] {
    return this.speaker.listening
  }

  /** Listens and begins to connect. @throws SpeakerError `speaker.listen` naming address and port */
  async start(): Promise<void> {
    await this.speaker.start()
    this.#started = true
    this.#monitoring.start(this.speaker)
  }

  /** What it has; empty for what a speaker has not. */
  async show<Name extends ViewName>(what: Name): Promise<Views[Name]> {
    if (what === 'neighbors') return this.speaker.neighbors().map(neighborRow) as unknown as Views[Name]
    if (what === 'bfd') return (this.#bfd?.rows() ?? []) as unknown as Views[Name]
    if (what === 'routes') return [...speakerRouteRows(this.speaker)] as unknown as Views[Name]
    return []
  }

  /**
   * What `reconfigure` would do: to which neighbors, and to what is originated. Nothing happens.
   *
   * @throws AgentError `agent.needs-restart`; SpeakerError `speaker.config`
   */
  plan(config: SpeakerNodeConfig): ConfigChange[] {
    return this.#plan(config).changes
  }

  /**
   * Brings the speaker, its neighbors and networks to what `config` says; sessions whose neighbor has not changed stay.
   *
   * @returns what was done
   * @throws AgentError `agent.needs-restart` when something else has changed; SpeakerError `speaker.config`, `speaker.listen`; then nothing was done
   */
  async reconfigure(config: SpeakerNodeConfig): Promise<ConfigChange[]> {
    const { changes, reconciliation } = this.#plan(config)
    await reconciliation.apply()
    this.#publish(networkChanges(this.#config.networks, config.networks))
    const validated = this.#monitoring.originValidator !== undefined
    this.#monitoring.reconfigure(config)
    const { originValidator } = this.#monitoring
    if (validated !== (originValidator !== undefined)) this.speaker.setOriginValidator(originValidator)
    this.#config = config
    return changes
  }

  #plan(config: SpeakerNodeConfig): { readonly changes: ConfigChange[]; readonly reconciliation: Reconciliation } {
    this.checkReconfigurable(config)
    const reconciliation = this.speaker.reconcile({ ...config.bgp, ...this.#overrides(config.bgp) })
    return {
      reconciliation,
      changes: [
        ...reconciliation.settings.map(settingChange),
        ...reconciliation.changes.map(neighborChange),
        ...reconciliation.vrfs.map(vrfChange),
        ...networkPlan(this.#config.networks, config.networks),
        ...this.#monitoring.plan(config),
      ],
    }
  }

  /** @throws AgentError `agent.needs-restart` when `config` changes what a running speaker cannot change */
  checkReconfigurable(config: SpeakerNodeConfig): void {
    const changed = [
      ...(config.name === this.#config.name ? [] : ['node.name']),
      ...(config.address.equals(this.#config.address) ? [] : ['node.address']),
      ...changedFixed(this.#config.bgp, config.bgp).map((key) => `bgp.${key}`),
    ]
    if (changed.length > 0) throw new AgentError('agent.needs-restart', `a change of ${changed.join(', ')} needs a restart`)
  }

  /** Withdraws, sends Cease and ends. Idempotent. */
  async stop(options: StopOptions = {}): Promise<void> {
    this.#stopped ??= this.#end(options)
    await this.#stopped
  }

  /** As `stop()`: withdraws and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #end({ restart = false }: StopOptions): Promise<void> {
    if (this.#started && !restart) {
      for (const family of [VPNV4_UNICAST, VPNV6_UNICAST, L2VPN_EVPN]) {
        this.speaker.withdraw([...this.speaker.routes({ family, neighbor: LOCAL_PEER })].map(({ nlri }) => ({ family, nlri })))
      }
      const isHeard = this.speaker.neighbors().some(({ state }) => state === 'established')
      if (isHeard) await this.speaker.flushed({ timeout: FLUSH_TIMEOUT })
    }
    await this.#monitoring.stop()
    await this.speaker.stop({ graceful: restart })
  }

  #publish({ announce, withdraw }: ReturnType<typeof networkChanges>): void {
    this.speaker.withdraw(withdraw)
    this.speaker.announce(announce)
  }
}

/** Has a speaker originate what the model exports, and take back what it no longer does. */
export function publish({ speaker }: SpeakerNode, changes: readonly VpnRouteChange[]): void {
  if (changes.length === 0) return
  const { announce, withdraw } = toBgp(changes)
  speaker.withdraw(withdraw)
  speaker.announce(announce)
}
