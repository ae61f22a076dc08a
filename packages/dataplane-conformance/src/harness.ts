import type { Dataplane, DeviceRequest, Encapsulation, LivenessObject } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'

/** Something that a harness can do only on some adapters; a case that needs it is skipped elsewhere, by that name. */
export type HarnessFeature =
  /** `receive` can choose the UDP destination port. */
  | 'udp-port'
  /** `receive` can send from underlay addresses that are not among `peers`. */
  | 'any-source'
  /** `outputs` shows the outer IP header: TTL and traffic class. */
  | 'outer-header'
  /** `receive` can choose the outer traffic class, where there is an outer IP header. */
  | 'outer-traffic-class'
  /**
   * The dataplane judges, and drops by reason, all that comes by GRE, by VXLAN and to the old UDP port 51234 of MPLS. Without it, what can be no tunnel's of its own
   * is left to the host, where nobody sees it: GRE of another protocol, VXLAN while there is no VNI, and at that port what has no label that is taken from its source.
   */
  | 'takes-all'
  /** `inject` can send a frame that is shorter than its header, which a kernel hands to nobody. */
  | 'short-frames'
  /** The harness has `bfd`. */
  | 'bfd'
  /** The harness has `advance`. */
  | 'clock'
  /** The harness has `narrow`. */
  | 'path-mtu'

/** How frames of the underlay are told apart: a joint label is an entry of the stack that MPLS over UDP carries. */
export type WireEncapsulation = Exclude<Encapsulation, 'mpls-udp-joint'>

/** As what frames of a tunnel are told apart. */
export function onTheWire(encapsulation: Encapsulation): WireEncapsulation {
  return encapsulation === 'mpls-udp-joint' ? 'mpls-udp' : encapsulation
}

/** A packet that the harness puts on the underlay, towards the dataplane. */
export interface UnderlayInput {
  readonly encapsulation: WireEncapsulation
  /** Outer source address; the destination is the dataplane's address of the same family. */
  readonly source: IpAddress
  /** What stands behind the outer IP header and, for `mpls-udp` and `vxlan`, the UDP header. */
  readonly packet: Uint8Array
  /** UDP destination port; that of the encapsulation when left out. Needs `udp-port`. */
  readonly udpPort?: number
  /** Octet of the outer IP header, 0–255; 0 when left out. Needs `outer-traffic-class`. */
  readonly trafficClass?: number
}

/** A BFD packet between the dataplane and another router of the underlay. */
export interface BfdDatagram {
  /** The other router's address; the other end is the dataplane's of the same family. */
  readonly peer: IpAddress
  /** By its UDP port (RFC 5881 §4, RFC 5883 §5). */
  readonly hops: LivenessObject['hops']
  readonly ttl: number
  /** Behind the UDP header. */
  readonly packet: Uint8Array
}

/** What a harness has to have for the cases of liveness. */
export interface BfdHarness {
  /** Sends a packet to the dataplane. */
  send(datagram: BfdDatagram): Promise<void>
  /** Waits for some milliseconds, and takes what the dataplane has sent since it was last asked. */
  take(): Promise<readonly BfdDatagram[]>
}

/** A packet that the dataplane handed to a device. */
export interface DeliveredPacket {
  readonly type: 'delivered'
  readonly port: number
  readonly packet: Uint8Array
}

/** A packet that the dataplane put on the underlay. */
export interface SentPacket {
  readonly type: 'sent'
  readonly encapsulation: WireEncapsulation
  readonly source: IpAddress
  readonly destination: IpAddress
  /** UDP source port; absent where there is no UDP header. */
  readonly sourcePort?: number
  /** Of the outer IP header; with `outer-header` only. */
  readonly ttl?: number
  readonly trafficClass?: number
  /** What stands behind the outer IP header and, for `mpls-udp` and `vxlan`, the UDP header. */
  readonly packet: Uint8Array
}

/** A packet that a dataplane gave out, on either side. */
export type Output = DeliveredPacket | SentPacket

/** A dataplane with a hand on both of its sides: what an adapter's author writes to have the suite run. */
export interface Harness {
  readonly dataplane: Dataplane
  readonly features: ReadonlySet<HarnessFeature>
  /** Underlay address of the dataplane in a family that its capabilities name. */
  local(family: 4 | 6): IpAddress
  /** Underlay addresses of at least three other routers, from which `receive` can send and to which the dataplane can. */
  peers(family: 4 | 6): readonly IpAddress[]
  /** Largest underlay packet, outer headers included. */
  readonly underlayMtu: number
  /** Makes the path to a peer take so many octets, until the harness is closed; with the feature `path-mtu`. */
  readonly narrow?: (peer: IpAddress, mtu: number) => Promise<void>
  /** A request that `attachPort` can fulfil. */
  deviceFor(port: number, addresses: readonly IpAddress[], mtu: number): DeviceRequest
  /** Sends an IP packet, or a frame, into the device of an attached port. */
  inject(port: number, packet: Uint8Array): Promise<void>
  /** Sends a packet to the dataplane on the underlay. */
  receive(input: UnderlayInput): Promise<void>
  /** BFD of other routers; with the feature `bfd`. */
  readonly bfd?: BfdHarness
  /** Moves the time by which the dataplane's rates go, in which nothing moves else; with the feature `clock`. */
  readonly advance?: (milliseconds: number) => void
  /** Waits until nothing is in flight, and takes what came out since it was last called, in order. */
  outputs(): Promise<readonly Output[]>
  /** Closes the dataplane and everything around it. */
  close(): Promise<void>
}

/** Makes a fresh harness, its dataplane without any tables. */
export type HarnessFactory = () => Promise<Harness>
