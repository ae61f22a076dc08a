import { join } from 'node:path'
import { PeerProcess } from '../peer/peer-process.ts'
import type { WorkloadFiles } from '../peer/protocol.ts'
import { startIdle } from '../probe/probed.ts'
import { IPV4, VPNV4, type AddressFamily } from '../workload/family.ts'
import { PreparedWorkload } from '../workload/workload-files.ts'

/** What takes part in every round beside the daemon. */
export interface Stage {
  readonly family: AddressFamily
  readonly workload: WorkloadFiles
  readonly injector: PeerProcess
  readonly receiver: PeerProcess
  /** Where a process can be asked for its timers that has nothing to do. */
  readonly idle: string
}

/** Encodes a workload, has the peers load it, and ends them when `action` is over. */
export async function onStage<T>(name: AddressFamily['name'], routes: number, action: (stage: Stage) => Promise<T>): Promise<T> {
  using workload = new PreparedWorkload(name, routes)
  await using injector = new PeerProcess()
  await using receiver = new PeerProcess()
  const socket = join(workload.directory, 'idle.sock')
  const idle = startIdle(socket)
  try {
    await Promise.all([
      injector.call('load', { workload: workload.files, judge: false }),
      receiver.call('load', { workload: workload.files, judge: true }),
    ])
    return await action({ family: name === 'ipv4' ? IPV4 : VPNV4, workload: workload.files, injector, receiver, idle: socket })
  } finally {
    idle.kill('SIGKILL')
  }
}
