import type { Agent, BfdView, CaptureRequest, ConfigChange, DataplaneSource, StopOptions, ViewName, Views } from '@heddle/agent'
import type { Speaker } from '@heddle/bgp'
import type { EndpointService, MirroredPacket, TracedPacket, TraceIntent } from '@heddle/core'
import type { Clock, Logger, Random, RouterDiscovery, Transport } from '@heddle/io'
import type { NodeDocument, SpeakerDocument } from '../config/document.js'
import type { ExplainAnswer, ExplainRequest } from './explain.js'

/** What a node or speaker meets the world through; each has the real one as its default. */
export interface RoleOptions {
  readonly transport?: Transport
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
  /** Who is at the other end of a link; see `linuxRouterDiscovery`. */
  readonly routerDiscovery?: RouterDiscovery
}

/** What a speaker meets the world through; each has the real one as its default. */
export interface SpeakerRoleOptions extends RoleOptions {
  /** What watches peers with `bfd`; it is not closed. Default: `hostBfd`. */
  readonly bfd?: BfdView
}

/** What a node meets the world through; each has the real one as its default. */
export interface NodeOptions extends RoleOptions {
  /** Used instead of the one that the configuration names. */
  readonly dataplane?: DataplaneSource
}

/** How a configuration is taken over. */
export interface ReloadOptions {
  /** Only say what would be done. */
  readonly dryRun?: boolean
}

interface Role extends AsyncDisposable {
  readonly name: string
  /** Where BGP sessions are accepted. */
  readonly listening: readonly { readonly address: string; readonly port: number }[]
  /** Its BGP speaker, to look at. */
  readonly speaker: Speaker
  /** What it has: empty for what a speaker has not. @throws AgentError `agent.dataplane-lost`, DataplaneError for what only the dataplane knows */
  show<Name extends ViewName>(what: Name): Promise<Views[Name]>
  /** Withdraws, sends Cease and ends; or ends for a restart. Idempotent. */
  stop(options?: StopOptions): Promise<void>
}

/** A running speaker. */
export interface SpeakerHandle extends Role {
  readonly role: 'speaker'
  /**
   * Changes what differs from the configuration it has; nothing else moves.
   *
   * @param options `dryRun`: only says what would be done
   * @returns what was done; neighbors that stay as they are among it
   * @throws AgentError `agent.needs-restart` when something changed that only a restart can change; then nothing has changed
   */
  reload(document: SpeakerDocument, options?: ReloadOptions): Promise<ConfigChange[]>
}

/** A running node. */
export interface NodeHandle extends Role {
  readonly role: 'node'
  /** Attaches and detaches network namespaces. */
  readonly endpoints: EndpointService
  /** What is counted of its CNI plugin, in the OpenMetrics format without the end line. */
  metrics(): string
  /** What would happen to a packet, and why. @throws ExplainError; AgentError `agent.dataplane-lost`, DataplaneError */
  explain(request: ExplainRequest): Promise<ExplainAnswer>
  /** As `Agent.trace`, `Agent.capture` and `Agent.endpointAt`. */
  trace(intent: TraceIntent, signal?: AbortSignal): AsyncIterable<TracedPacket>
  capture(request: CaptureRequest, signal?: AbortSignal): AsyncIterable<MirroredPacket>
  endpointAt(port: number): ReturnType<Agent['endpointAt']>
  /** As `SpeakerHandle.reload`. @throws AgentError `agent.needs-restart`, `agent.vrf-in-use`; IntentError; then nothing has changed */
  reload(document: NodeDocument, options?: ReloadOptions): Promise<ConfigChange[]>
}

/** A running node or speaker, told apart by `role`. */
export type RoleHandle = NodeHandle | SpeakerHandle
