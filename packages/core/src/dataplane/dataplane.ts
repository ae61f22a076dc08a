import type { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import type { CounterSnapshot } from './counters.js'
import type { DataplaneFeature } from './feature.js'
import type {
  Encapsulation,
  GroupObject,
  LabelObject,
  NextHopObject,
  PortObject,
  TunnelSourcesObject,
  VniObject,
  VrfObject,
} from './objects.js'
import type { LivenessObject } from './liveness.js'
import type { MirroredPacket, MirrorObject } from './mirror.js'
import type { NatPoolObject } from './nat-pool.js'
import type { PolicyObject } from './policy.js'
import type { RouteBatch } from './route-batch.js'
import type { ServiceObject } from './service.js'
import type { TracedPacket, TraceObject } from './trace.js'
import type { ApplyReport, FibTransaction } from './transaction.js'

/**
 * What forwards packets: in memory, through TUN devices, in the kernel. One contract for all; `@heddle/dataplane-conformance` proves an
 * adapter. A dataplane decides nothing: it holds what transactions say and reports what it could not hold.
 */
export interface Dataplane {
  /** What this adapter can do here; constant for life. */
  readonly capabilities: DataplaneCapabilities

  /**
   * Brings the tables to the next generation. The whole transaction is validated first, and refused whole if malformed or over the limits;
   * after that each object is atomic and make-before-break, and what the kernel refuses keeps its old state and is named in the report.
   *
   * @param signal ends the wait, not the work: what was begun is finished
   * @throws DataplaneError `dataplane.closed` or `dataplane.lost` when the adapter is gone; never for a transaction's content
   */
  apply(transaction: FibTransaction, signal?: AbortSignal): Promise<ApplyReport>

  /** What is really programmed. @throws DataplaneError as `apply` */
  dump(): Promise<DataplaneState>

  /**
   * Makes the device of a port that was set by a transaction, or adopts the one that is there. Idempotent for the same request.
   *
   * @throws DataplaneError `dataplane.port-unknown`, `dataplane.netns-missing`, `dataplane.device` (with the system's error as cause), `dataplane.permission`
   */
  attachPort(port: number, device: DeviceRequest): Promise<DeviceFacts>

  /** Removes a port's device; the port's object stays until a transaction removes it. Idempotent. */
  detachPort(port: number): Promise<void>

  /** Everything counted since the tables were created, as one snapshot. */
  counters(): Promise<CounterSnapshot>

  /**
   * What happens to ports and tunnels, from the moment of the call of the iterator on, for one consumer at a time: leaving the loop lets the next
   * consumer start fresh, and a consumer that begins ends the one before it. Ends when the dataplane is closed, or lost: then another one can be opened in its
   * place, as soon as what it lacks is there.
   */
  readonly events: AsyncIterable<DataplaneEvent>

  /**
   * Ends this handle. With `keep` the forwarding goes on where the adapter can (see `capabilities.survivesClose`); without it, devices and tables
   * are removed; of one that was lost, what is left and no other has taken over. Idempotent.
   */
  close(options?: { readonly keep?: boolean }): Promise<void>
}

/** What a dataplane can do; constant for its life. */
export interface DataplaneCapabilities {
  /** Adapter's name, as in a configuration: `memory`, `tun`, `ebpf`. */
  readonly kind: string
  readonly encapsulations: readonly Encapsulation[]
  /** IP families of the underlay. */
  readonly underlayFamilies: readonly (4 | 6)[]
  /** Whether forwarding can outlive `close({ keep: true })` and the process, and the container that it runs in. */
  readonly survivesClose: boolean
  readonly limits: DataplaneLimits
  /** What it offers beyond the tables that every dataplane has; nothing when left out. */
  readonly features?: readonly DataplaneFeature[]
}

/** Most objects of a kind; a transaction that would exceed one is refused with `dataplane.limit`. */
export interface DataplaneLimits {
  readonly vrfs: number
  readonly ports: number
  readonly nextHops: number
  readonly groups: number
  readonly groupMembers: number
  readonly labels: number
  readonly vnis: number
  readonly routes: number
  /** Label stack entries pushed by one tunnel. */
  readonly labelStackDepth: number
  /** Where policies are offered; 0 when left out. */
  readonly policies?: number
  /** Rules of one policy. */
  readonly policyRules?: number
  /** Where services are offered; 0 when left out. */
  readonly services?: number
  /** Where liveness is offered; 0 when left out. */
  readonly liveness?: number
  /** Where NAT is offered; 0 when left out. */
  readonly natPools?: number
  /** Where mirrors are offered; 0 when left out. */
  readonly mirrors?: number
  /** Where traces are offered; 0 when left out. */
  readonly traces?: number
  /** Backends of one service. */
  readonly serviceBackends?: number
  /** Flows that policies remember at once, of all ports, and as many for services; when there are more, the quietest are forgotten. */
  readonly flows?: number
}

/** Asks for the device of a port. */
export interface DeviceRequest {
  /** Path of the network namespace the device shall appear in; the adapter's own when left out. */
  readonly netns?: string
  /** Device name inside that namespace, 1–15 characters. */
  readonly ifname: string
  /** Addresses the device shall have, each as a host address (/32, /128). */
  readonly addresses: readonly IpAddress[]
  /** Octets, 68–65,535; IPv6 needs 1,280. */
  readonly mtu: number
  /** Destinations that the namespace shall send to the device; left out: everything (a default route a family that has an address). */
  readonly routes?: readonly IpPrefix[]
}

/** What came of a `DeviceRequest`. */
export interface DeviceFacts {
  /** Interface index in its namespace; 0 where there is none. */
  readonly ifindex: number
  /** Absent on a device without link-layer addresses. */
  readonly mac?: MacAddress
  readonly mtu: number
}

/** What the path to another router takes, where that is less than the underlay's links do. */
export interface PathMtu {
  /** The tunnel's remote end. */
  readonly remote: IpAddress
  /** Octets of the largest packet, outer headers included. */
  readonly mtu: number
}

/** A far end of tunnels that the host itself sends to by another link than tunnels go by. */
export interface Detour {
  /** The tunnel's remote end. */
  readonly remote: IpAddress
  /** Name of the host's link. */
  readonly link: string
}

/** Everything that is programmed. */
export interface DataplaneState {
  /** Of the last transaction that was applied; 0 when there was none. */
  readonly generation: number
  readonly vrfs: readonly VrfObject[]
  readonly ports: readonly PortObject[]
  readonly nextHops: readonly NextHopObject[]
  readonly groups: readonly GroupObject[]
  readonly tunnelSources: readonly TunnelSourcesObject[]
  readonly labels: readonly LabelObject[]
  readonly vnis: readonly VniObject[]
  /** None when left out. */
  readonly policies?: readonly PolicyObject[]
  /** None when left out. */
  readonly services?: readonly ServiceObject[]
  /** None when left out. */
  readonly liveness?: readonly LivenessObject[]
  /** Ids of liveness objects that are up, and of those that went down and are not up again; none when left out. */
  readonly up?: readonly number[]
  readonly down?: readonly number[]
  /** None when left out. */
  readonly natPools?: readonly NatPoolObject[]
  /** None when left out. */
  readonly mirrors?: readonly MirrorObject[]
  /** None when left out. */
  readonly traces?: readonly TraceObject[]
  /** Paths that take less than the underlay's links; none when left out. */
  readonly pathMtus?: readonly PathMtu[]
  /** Where tunnels keep to one link; none when left out. */
  readonly detours?: readonly Detour[]
  readonly routes: RouteBatch
  /** Devices that are attached. */
  readonly devices: readonly (DeviceRequest & DeviceFacts & { readonly port: number })[]
}

/**
 * What a dataplane tells unasked: a device came or went, the underlay carries larger or smaller packets (`mtu` in octets), all of it or on the path to
 * `remote`, another router came to be heard, or is heard no more; and what mirrors and traces ask for.
 */
export type DataplaneEvent =
  | { readonly type: 'port-up' | 'port-down'; readonly port: number; readonly reason?: string }
  | { readonly type: 'underlay-changed'; readonly local: IpAddress; readonly mtu: number; readonly remote?: IpAddress }
  /** `liveness-unknown`: the far end ended its session, or nobody keeps ours, which says nothing about the path (RFC 5882 §3.2). */
  | { readonly type: 'liveness-up' | 'liveness-down' | 'liveness-unknown'; readonly liveness: number; readonly reason?: string }
  | ({ readonly type: 'mirrored' } & MirroredPacket)
  | ({ readonly type: 'traced' } & TracedPacket)

/**
 * What went wrong: `closed` by us or `lost`, a port or device that is not there or cannot be had, a namespace that is missing, a permission that lacks,
 * another agent that is in control.
 */
export type DataplaneErrorCode =
  | 'dataplane.closed'
  | 'dataplane.lost'
  | 'dataplane.port-unknown'
  | 'dataplane.device'
  | 'dataplane.netns-missing'
  | 'dataplane.permission'
  | 'dataplane.busy'

/** Why a dataplane could not do what was asked, apart from a transaction's content. */
export class DataplaneError extends Error {
  override readonly name = 'DataplaneError'

  constructor(
    readonly code: DataplaneErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${message} (${code})`, options)
  }
}
