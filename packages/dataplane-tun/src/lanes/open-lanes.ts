import type { DataplaneCapabilities, DataplaneEvent } from '@heddle/core'
import { ForwardingEngine, Sequences, type FlowMemory } from '@heddle/forwarding'
import type { Logger } from '@heddle/io'
import type { Poller } from '@heddle/linux'
import type { TooLarge } from '../forwarder/underlay-sinks.js'
import type { Tunnels } from '../forwarder/tunnels.js'
import { BatchClock, epoch } from './batch-clock.js'
import type { Lanes } from './lanes.js'
import { LocalLane } from './local-lane.js'
import { SharedRoutes } from './shared-routes.js'
import { ThreadedLanes } from './threaded-lanes.js'

/** What lanes are opened with. */
export interface LanesOptions {
  /** Threads that forward; 0: the thread of the caller does. */
  readonly workers: number
  /** Script of such a thread, and options of Node.js for it. */
  readonly lane: { readonly script: string; readonly execArgv: readonly string[] }
  readonly capabilities: DataplaneCapabilities
  readonly tunnels: Tunnels
  /** Of the caller's thread. */
  readonly poller: Poller
  readonly flowMemory: FlowMemory
  /** Of the Ethernet addresses of endpoints. */
  readonly linkMemory: SharedArrayBuffer
  /** Of what the limits of ports go by. */
  readonly rateMemory: SharedArrayBuffer
  /** Whether nothing is read until `resume`. */
  readonly isPaused: boolean
  readonly observe: (event: DataplaneEvent) => void
  /** Called once when a thread came to its end by itself: nothing is forwarded from then on. */
  readonly failed: ((error: unknown) => void) | undefined
  readonly logger: Logger
}

/** Lanes, and the engine that judges their transactions and holds what is programmed: with one lane, its own. */
export interface OpenLanes {
  readonly engine: ForwardingEngine
  readonly lanes: Lanes
}

/** Opens the lanes, and lets packets in. @throws DataplaneError `dataplane.device` when a thread cannot begin */
export async function openLanes(options: LanesOptions): Promise<OpenLanes> {
  const { workers, lane, capabilities, tunnels, poller, flowMemory, linkMemory, rateMemory, isPaused, observe, failed, logger } = options
  const { limits, encapsulations, features = [] } = capabilities
  const tooLarge: TooLarge = (local, family, remote) => void tunnels.learn(local, family, remote)
  const { mtu: underlayMtu, senders, receivers } = tunnels
  const common = {
    limits,
    encapsulations,
    features,
    underlayMtu,
    epoch: epoch(),
    senders,
    flowMemory,
    linkMemory,
    rateMemory,
    observe,
    tooLarge,
  }
  if (workers === 0) {
    const local = new LocalLane({ ...common, clock: new BatchClock() }, receivers, poller, logger, isPaused)
    return { engine: local.engine, lanes: local }
  }
  const sequenceMemory = new SharedArrayBuffer(Sequences.octets)
  const routes = new SharedRoutes()
  const newRoutes = (vrf: number): ReturnType<SharedRoutes['tableFor']> => routes.tableFor(vrf)
  const engine = new ForwardingEngine({ ...common, sequenceMemory, newRoutes, outer: 'socket', clock: new BatchClock() })
  const lanes = await ThreadedLanes.open({
    ...common,
    ...lane,
    sequenceMemory,
    routes,
    isPaused,
    threads: workers,
    receivers,
    logger,
    failed: (error) => {
      logger.error('A thread that forwards has ended', { reason: error instanceof Error ? error.stack : String(error) })
      failed?.(error)
    },
  })
  return { engine, lanes }
}
