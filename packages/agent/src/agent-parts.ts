import type { SpeakerConfig } from '@heddle/bgp'
import { OverlayModel, endpointMtu, type Dataplane, type DataplaneCapabilities, type EndpointView } from '@heddle/core'
import { DataplaneBfd } from './bgp/dataplane-bfd.js'
import { ReleaseRest } from './bgp/restart.js'
import { SpeakerNode, publish } from './bgp/speaker-node.js'
import type { AgentConfig } from './config.js'
import { ServiceHealth } from './health/service-health.js'
import type { HealthProbe } from './health/health-probe.js'
import { EndpointManager } from './endpoint/endpoint-manager.js'
import { PacketObservers } from './observe/packet-observers.js'
import { Synchronizer } from './sync/synchronizer.js'
import type { World } from './world.js'

/** What an agent works with. */
export interface AgentParts {
  readonly model: OverlayModel
  readonly node: SpeakerNode
  readonly bfd: DataplaneBfd
  readonly synchronizer: Synchronizer
  readonly endpoints: EndpointManager
  readonly health: ServiceHealth
  readonly observers: PacketObservers
  /** For how long a label or a VNI rests between two owners. */
  readonly rest: ReleaseRest
  readonly capabilities: DataplaneCapabilities
}

export interface PartsOptions extends Omit<World, 'bfd'> {
  readonly dataplane: Dataplane
  readonly probe: HealthProbe | undefined
  /** The dataplane while there is one. */
  readonly current: () => Dataplane | undefined
  /** The dataplane. @throws AgentError `agent.dataplane-lost` */
  readonly required: () => Dataplane
  /** Graceful restart of a configuration, as the dataplane can keep it. */
  readonly gracefulRestart: (bgp: SpeakerConfig) => NonNullable<SpeakerConfig['gracefulRestart']>
  readonly endpointChanged: (endpoint: EndpointView) => void
}

/** Puts the parts of an agent together; none of them does anything yet. @throws SpeakerError `speaker.config` */
export function composeParts(config: AgentConfig, options: PartsOptions): AgentParts {
  const { dataplane, current, required, gracefulRestart, endpointChanged, probe, ...world } = options
  const { clock, logger } = world
  const { capabilities } = dataplane
  const { address, underlayMtu } = config
  const ofEndpoints = config.endpointFlows === undefined ? {} : { endpointFlows: config.endpointFlows }
  const rest = new ReleaseRest(clock, config.bgp)
  const labels = { quarantine: () => rest.milliseconds }
  const model = new OverlayModel({ clock, localAddresses: [address], capabilities, underlayMtu, labels, ...ofEndpoints })
  const synchronizer = new Synchronizer({ model, clock, logger, publish: (changes) => publish(node, changes) })
  const bfd = new DataplaneBfd({
    model,
    synchronize: () => void synchronizer.run(),
    clock,
    logger,
    localAddress: address,
    isOnLink: world.isOnLink,
  })
  const watches = capabilities.features?.includes('liveness') === true
  const node = new SpeakerNode(config, { ...world, ...(watches && { bfd }) }, (bgp) => ({
    gracefulRestart: gracefulRestart(bgp),
  }))
  const endpoints = new EndpointManager({
    model,
    synchronizer,
    clock,
    logger,
    mtu: (vrf) => endpointMtu({ underlayMtu, underlayFamilies: [address.family], encapsulations: model.encapsulationsOf(vrf) }),
    dataplane: current,
    changed: endpointChanged,
  })
  const health = new ServiceHealth({ model, endpoints, clock, logger, probe, synchronize: () => void synchronizer.run() })
  const observers = new PacketObservers({ model, synchronizer, dataplane: required, capabilities })
  return { model, node, bfd, synchronizer, endpoints, health, observers, rest, capabilities }
}
