import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What to give Node so that a process can be asked for the lateness of its timers. */
export const PROBE_ARGS: readonly string[] = ['--import', fileURLToPath(new URL('timer-probe.mjs', import.meta.url))]

export interface ProbeReading {
  /** Milliseconds by which timers were late since the last reading, one a timer. */
  readonly lateness: readonly number[]
  readonly memory: NodeJS.MemoryUsage
}

/** Asks a process that was started with `PROBE_ARGS` and an IPC channel; what it tells begins anew. */
export function readProbe(child: ChildProcess): Promise<ProbeReading> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new TypeError('the process that is probed has ended'))
    child.once('exit', gone)
    child.once('message', (reading: ProbeReading) => {
      child.off('exit', gone)
      resolve(reading)
    })
    child.send({ probe: 'read' }, (error) => error !== null && reject(error))
  })
}

/** A process of the same Node with the same timer and nothing else to do. */
export function startIdle(): ChildProcess {
  return spawn(process.execPath, [...PROBE_ARGS, fileURLToPath(new URL('idle.mjs', import.meta.url))], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}
