import type { AddressFamily } from '../workload/family.ts'
import type { AlikeJudgement } from './judge-alike.ts'
import type { Target } from './session.ts'

/** A workload in files, so that each process reads it without making it again. */
export interface WorkloadFiles {
  readonly family: AddressFamily['name']
  readonly routes: number
  readonly sets: number
  readonly announcements: string
  readonly withdrawals: string
}

/** What a peer process can be asked to do; each answer is what the method resolves with. */
export interface PeerMethods {
  /** Reads a workload; one that is only sent needs no table to compare with. */
  load(params: { readonly workload: WorkloadFiles; readonly judge: boolean }): void
  /** Opens a session, and says when the daemon had all that it needs for it. */
  open(params: {
    readonly id: string
    readonly remote: string
    readonly port: number
    readonly timeout: number
    readonly block?: number
  }): {
    readonly establishedAt: number
  }
  /** From now on the session counts up to a target. */
  arm(params: { readonly id: string; readonly target: Target }): void
  /** When it had come so far. */
  reached(params: { readonly id: string }): { readonly at: number }
  send(params: { readonly id: string; readonly what: 'announcements' | 'withdrawals' }): { readonly first: number; readonly last: number }
  break(params: { readonly id: string }): { readonly at: number }
  /** Judges what came since the last judgement, on top of what was there then, and lets go of it. */
  judge(params: { readonly id: string; readonly originator: string; readonly cluster: string; readonly complete: boolean }): {
    readonly differences: readonly string[]
  }
  /** Judges sessions that should have been sent the same: the table of each, and how many UPDATEs differ from all others. */
  judgeAlike(params: { readonly ids: readonly string[]; readonly originator: string; readonly cluster: string }): AlikeJudgement
  /** What the session has been like. */
  session(params: { readonly id: string }): {
    readonly longestSilence: number
    readonly ended: string | undefined
  }
  /** Processor time of this process, milliseconds since it was asked the last time. */
  usage(params: Record<string, never>): { readonly cpu: number }
}

export type PeerMethod = keyof PeerMethods
export type Params<M extends PeerMethod> = Parameters<PeerMethods[M]>[0]
export type Answer<M extends PeerMethod> = ReturnType<PeerMethods[M]>

export interface PeerRequest {
  readonly id: number
  readonly method: PeerMethod
  readonly params: unknown
}

export interface PeerResponse {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}
