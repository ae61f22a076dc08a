import type { DropRow, NeighborRow, RouteRow } from '@heddle/agent'
import type { LabPod } from './topology.js'

/** What came of a series of echo requests. */
export interface PingResult {
  readonly sent: number
  readonly received: number
  /** Milliseconds; absent when nothing came back. */
  readonly rttMs?: number
}

/** What a flow lost while something happened. */
export interface FlowResult {
  readonly sent: number
  readonly received: number
  /** Longest time without an answer, milliseconds. */
  readonly longestGapMs: number
}

/** A steady stream of small datagrams that are echoed. */
export interface Flow {
  stop(): Promise<FlowResult>
}

/** What a dissector that nobody here wrote says of the underlay's packets. */
export interface CaptureView {
  readonly file: string
  /** Packets to or from UDP 6635. */
  readonly packets: number
  /** Those that were dissected as UDP, then MPLS, then IP. */
  readonly dissected: number
  /** Label, and the underlay address that packets with it were sent to. */
  readonly labels: readonly { readonly label: number; readonly destination: string; readonly packets: number }[]
  /** Frames with a tenant address outside a tunnel. */
  readonly naked: number
}

/** The peer's own view of the routes. */
export interface PeerView {
  /** Name and version. */
  readonly software: string
  readonly routes: readonly {
    readonly rd: string
    readonly prefix: string
    readonly label: number | null
    readonly nextHop: string
    readonly routeTargets: readonly string[]
  }[]
  /** What its own command printed. */
  readonly text: string
}

/** A running topology, real or in memory: the demo tells the same story on both. */
export interface Lab {
  readonly kind: 'real' | 'memory'
  /** One line: what it runs on. */
  readonly description: string
  neighbors(node: string): Promise<readonly NeighborRow[]>
  routes(node: string): Promise<readonly RouteRow[]>
  drops(node: string): Promise<readonly DropRow[]>
  /** @param patience milliseconds until the last request is given up, 10,000 when left out */
  ping(from: LabPod, to: string, count: number, patience?: number): Promise<PingResult>
  /** Asks whoever has `to` for its name; `undefined` when nobody answers within `patience` milliseconds, 10,000 when left out. */
  whoIs(from: LabPod, to: string, patience?: number): Promise<string | undefined>
  /** Bits a second of one TCP stream; `undefined` where it does not apply. */
  throughput(from: LabPod, to: string, milliseconds: number): Promise<number | undefined>
  flow(from: LabPod, to: string): Promise<Flow>
  addPod(pod: LabPod): Promise<void>
  /** Ends a node's processes without warning. */
  killNode(node: string): Promise<void>
  /** Ends the agent of a node without warning; what forwards goes on. */
  killAgent(node: string): Promise<void>
  startNode(node: string): Promise<void>
  /** `undefined` where the peer is Heddle itself. */
  peerView(): Promise<PeerView | undefined>
  /** Ends the capture and reads it; `undefined` where there is none. */
  capture(): Promise<CaptureView | undefined>
  now(): number
  sleep(milliseconds: number): Promise<void>
  /** Leaves nothing behind. */
  close(): Promise<void>
}
