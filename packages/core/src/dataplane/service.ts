import type { IpAddress } from '@heddle/wire'

/** Transport protocols that a service can have. */
export const SERVICE_PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const
/** A key of `SERVICE_PROTOCOLS`. */
export type ServiceProtocol = keyof typeof SERVICE_PROTOCOLS

/** One who answers for a service. */
export interface ServiceBackend {
  /** Of the family of the virtual address; it is looked up in the service's VRF. */
  readonly address: IpAddress
  /** 1–65,535; for SCTP the service's own, as its checksum covers the ports (RFC 9260 §6.8): any other is refused as `dataplane.unsupported`. */
  readonly port: number
  /** Share of new flows, 0 and up; 0 gets none. */
  readonly weight: number
  /** `draining` keeps its flows and gets no new ones; `ready` when left out. A backend that is removed loses its flows. */
  readonly state?: 'ready' | 'draining'
}

/**
 * A virtual address and port in a VRF, whose connections are spread over backends where they enter: by the first router that has the service. A flow
 * stays with its backend. Needs the feature `service`.
 */
export interface ServiceObject {
  readonly id: number
  readonly vrf: number
  readonly address: IpAddress
  readonly protocol: ServiceProtocol
  /** 1–65,535; (VRF, address, protocol, port) is of one service. */
  readonly port: number
  readonly backends: readonly ServiceBackend[]
  /** Milliseconds, 1 and up, for which a client that was quiet comes to the same backend again; left out: each flow is spread for itself. */
  readonly affinity?: number
  /**
   * `destination` (when left out) keeps the client's address; backends' replies must then pass this router on their way to the client. `both` makes the
   * virtual address the source, so that replies come back to where it is routed to. A backend that is its own client is always served by `both`, and
   * so is a flow whose replies would look like packets of another one. Where they would even so, the client's port becomes another one, of 1024 and up; SCTP,
   * whose checksum covers it, is dropped as `nat-exhausted` then.
   */
  readonly natSide?: 'destination' | 'both'
  /** Seed of the choice, an unsigned 32-bit integer: routers with equal seeds choose alike. */
  readonly seed: number
}
