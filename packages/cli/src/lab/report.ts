import type { NeighborRow, RouteRow } from '@heddle/agent'
import type { CaptureView, PeerView } from './lab.js'

/** One thing that was shown, or not. */
export interface Check {
  readonly name: string
  readonly status: 'passed' | 'failed' | 'not-applicable'
  /** What was seen; for a failure also what was expected. */
  readonly detail: string
}

/** A pair of pods in one VRF. */
export interface PairResult {
  readonly vrf: string
  readonly from: string
  readonly to: string
  readonly address: string
  readonly rttMs: number | null
  /** Who answered when asked for its name. */
  readonly answeredBy: string | null
  readonly megabitsPerSecond: number | null
}

/** How long something took until the others knew. */
export interface ConvergenceResult {
  readonly event: string
  readonly milliseconds: number
}

/** Everything a demo showed: `out/demo.json`. */
export interface DemoReport {
  readonly kind: 'real' | 'memory'
  readonly description: string
  /** What was missing for the real one. */
  readonly missing: readonly string[]
  readonly topology: string
  readonly sessions: readonly (NeighborRow & { readonly node: string })[]
  readonly routes: readonly (RouteRow & { readonly node: string })[]
  readonly pairs: readonly PairResult[]
  readonly isolation: {
    readonly from: string
    readonly to: string
    readonly node: string
    readonly reason: string
    readonly before: number
    readonly after: number
  }
  readonly convergence: readonly ConvergenceResult[]
  readonly peer: PeerView | null
  readonly capture: CaptureView | null
  readonly checks: readonly Check[]
  readonly verdict: 'passed' | 'failed'
  readonly seconds: number
}
