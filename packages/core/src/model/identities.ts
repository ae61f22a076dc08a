import type { DataplaneState } from '../dataplane/dataplane.js'
import { EndpointError } from '../endpoint-service.js'
import { IdSpace } from '../fib/id-space.js'
import { LabelError, type LabelSpace } from '../label/label-space.js'
import type { EndpointState } from './endpoint-state.js'
import type { VrfState } from './vrf-state.js'

/** Ids of VRFs and ports, and labels: what a running dataplane uses is kept for those who had it. */
export class Identities {
  readonly vrfs = new IdSpace()
  readonly ports: IdSpace

  /** @param uplink id of the port that is always there */
  constructor(
    readonly labels: LabelSpace,
    private readonly uplink: number,
  ) {
    this.ports = new IdSpace(uplink + 1)
  }

  /** As `hold`, for what the process before left in a dataplane: labels that it released last do not come at once either. */
  resume(state: DataplaneState, own: Parameters<Identities['hold']>[1]): void {
    const labels = state.labels.map(({ label }) => label)
    this.labels.resume(labels, state.generation)
    this.hold(state, own)
  }

  /** Keeps the ids that a dataplane uses, and that are not in use here, from being given out. */
  hold(state: DataplaneState, own: { readonly vrfs: Iterable<VrfState>; readonly endpoints: Iterable<EndpointState> }): void {
    const vrfs = new Set(Array.from(own.vrfs, ({ id }) => id))
    const ports = new Set([this.uplink, ...Array.from(own.endpoints, ({ port }) => port)])
    for (const { id } of [...state.vrfs, ...state.tunnelSources]) if (!vrfs.has(id)) this.vrfs.hold(id)
    for (const { id } of state.ports) if (!ports.has(id)) this.ports.hold(id)
  }

  /** Nobody will claim what is held any more. */
  releaseHeld(): void {
    this.vrfs.releaseHeld()
    this.ports.releaseHeld()
    this.labels.releaseHeld()
  }

  /** A transaction was made: ids that were released before it are free when it is done. */
  seal(): void {
    this.vrfs.seal()
    this.ports.seal()
  }

  /** The transaction was applied. */
  settle(): void {
    this.vrfs.settle()
    this.ports.settle()
  }

  /**
   * The label that `owner` had, if it is still there to be had: a range that was configured anew may not include it.
   *
   * @throws EndpointError `endpoint.labels-exhausted`
   */
  takeLabel(owner: string, adopted: number | undefined): number {
    if (adopted !== undefined && this.labels.isHeld(adopted)) {
      this.labels.adopt(adopted, owner)
      return adopted
    }
    try {
      return this.labels.allocate(owner)
    } catch (error) {
      throw error instanceof LabelError ? new EndpointError('endpoint.labels-exhausted', error.message, { cause: error }) : error
    }
  }
}
