import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Kills a process, and waits until it has let go of what it had: sockets, devices, files. One that has ended is no error. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
