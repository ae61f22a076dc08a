import { spawn, type ChildProcess } from 'node:child_process'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'

/** What to give Node so that a process can be asked for the lateness of its timers. */
export const PROBE_ARGS: readonly string[] = ['--import', fileURLToPath(new URL('timer-probe.mjs', import.meta.url))]

/** Environment of such a process. @param socket path at which it is asked */
export function probeEnvironment(socket: string): NodeJS.ProcessEnv {
  return { ...process.env, HEDDLE_BENCH_PROBE: socket }
}

export interface ProbeReading {
  /** Milliseconds by which timers were late since the last reading, one a timer. */
  readonly lateness: readonly number[]
  readonly memory: NodeJS.MemoryUsage
}

/** Asks a process for its timers; what it tells begins anew. */
export async function readProbe(socket: string): Promise<ProbeReading> {
  let text = ''
  for await (const chunk of connect(socket).setEncoding('utf8')) text += String(chunk)
  return JSON.parse(text) as ProbeReading
}

/** A process of the same Node with the same timer and nothing else to do. */
export function startIdle(socket: string): ChildProcess {
  return spawn(process.execPath, [...PROBE_ARGS, fileURLToPath(new URL('idle.mjs', import.meta.url))], {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: probeEnvironment(socket),
  })
}
