import { LabError } from '../lab/errors.js'
import { cleanRealLab, runLab } from '../lab/run.js'
import type { Output } from '../output/output.js'

export interface LabOptions {
  readonly memory?: boolean
  readonly real?: boolean
  /** Leaves the real lab running after its report, until a signal. */
  readonly keep?: boolean
  /** Names of nodes, with commas between, that forward in the kernel instead of by TUN. */
  readonly ebpf?: string
  /** Only removes what an earlier lab that was killed has left. */
  readonly clean?: boolean
  /** Folder for report and capture. */
  readonly out: string
  /** Prints the report as JSON; progress goes to standard error. */
  readonly json?: boolean
}

/**
 * `heddle lab`: the main job on a topology of four sites, with a report. SIGINT and SIGTERM end it, and everything is cleaned up.
 *
 * @throws LabError `lab.failed` when a check failed, `lab.requirements`, `lab.leftovers`, `lab.interrupted`
 */
export async function lab(options: LabOptions, executable: string, output: Output): Promise<void> {
  const { memory = false, real = false, keep = false, clean = false, json = false, ebpf = '', out } = options
  const say = (text: string): void => {
    if (json) output.error(`${text}\n`)
    else output.write(`${text}\n`)
  }
  if (clean) {
    const removed = await cleanRealLab()
    say(removed.length === 0 ? 'nothing was left' : `removed: ${removed.join(', ')}`)
    return
  }
  const interruption = new AbortController()
  const interrupt = (): void => interruption.abort()
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  try {
    const kernelNodes = ebpf.split(',').filter((name) => name !== '')
    const mode = memory ? 'memory' : real || kernelNodes.length > 0 ? 'real' : 'auto'
    const report = await runLab({ mode, keep, out, executable, kernelNodes, print: say, signal: interruption.signal })
    if (json) output.write(`${JSON.stringify(report, null, 2)}\n`)
    const failed = report.checks.filter(({ status }) => status === 'failed').map(({ name }) => name)
    if (failed.length > 0) throw new LabError('lab.failed', `failed: ${failed.join(', ')}`)
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}
