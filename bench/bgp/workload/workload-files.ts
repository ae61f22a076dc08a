import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { WorkloadFiles } from '../peer/protocol.ts'
import { IPV4, VPNV4, type AddressFamily } from './family.ts'
import { ipv4Sets } from './ipv4.ts'
import { vpnv4Sets } from './vpnv4.ts'
import { encodeWorkload } from './workload.ts'

/** A workload that was encoded once, for several processes; disposing of it removes the files. */
export class PreparedWorkload implements Disposable {
  readonly family: AddressFamily
  readonly files: WorkloadFiles
  readonly directory = mkdtempSync(join(tmpdir(), 'heddle-bench-'))

  constructor(name: AddressFamily['name'], routes: number) {
    const sets = name === 'ipv4' ? ipv4Sets(routes) : vpnv4Sets(routes)
    const workload = encodeWorkload(name === 'ipv4' ? IPV4 : VPNV4, sets)
    this.family = workload.family
    this.files = {
      family: name,
      routes: workload.routes,
      sets: workload.sets,
      announcements: join(this.directory, 'announcements'),
      withdrawals: join(this.directory, 'withdrawals'),
    }
    writeFileSync(this.files.announcements, workload.announcements)
    writeFileSync(this.files.withdrawals, workload.withdrawals)
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}
