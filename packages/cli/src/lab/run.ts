import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LabError } from './errors.js'
import type { Lab } from './lab.js'
import { MemoryLab } from './memory/memory-lab.js'
import { RealLab } from './real/real-lab.js'
import { removeLeftovers } from './real/leftovers.js'
import { missingForRealLab } from './real/requirements.js'
import { renderReport } from './render.js'
import type { DemoReport } from './report.js'
import { tellStory } from './story.js'
import { TOPOLOGY } from './topology.js'

export interface RunLabOptions {
  /** `auto`: on real parts where the machine has them, else in memory. */
  readonly mode: 'auto' | 'real' | 'memory'
  /** Leaves the lab running after the report, until `signal`. */
  readonly keep: boolean
  /** Folder for `demo.json` and `demo.pcapng`. */
  readonly out: string
  /** Script that runs `heddle`, for the nodes of the real lab. */
  readonly executable: string
  /** Names of nodes that forward in the kernel instead of by TUN; on real parts only. */
  readonly kernelNodes?: readonly string[]
  readonly print: (text: string) => void
  /** Ends the lab early; everything is cleaned up. */
  readonly signal: AbortSignal
}

/**
 * Runs the main job and reports.
 *
 * @throws LabError `lab.requirements` when real parts are asked for and missing, `lab.interrupted` on the signal
 */
export async function runLab({ mode, keep, out, executable, kernelNodes = [], print, signal }: RunLabOptions): Promise<DemoReport> {
  const missing = mode === 'memory' ? [ASKED_FOR] : missingForRealLab(kernelNodes)
  if (mode === 'real' && missing.length > 0) {
    throw new LabError('lab.requirements', `the real demo cannot run here; missing:\n${missing.map((line) => `  - ${line}`).join('\n')}\n`)
  }
  const real = mode !== 'memory' && missing.length === 0
  print(
    real
      ? 'Running on real parts: root, Linux, native parts and FRR are there.'
      : `Running in memory, ${mode === 'memory' ? ASKED_FOR : `because the real demo lacks: ${missing.join('; ')}`}.`,
  )
  const begun = performance.now()
  const progress = (line: string): void => {
    print(`  ${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s  ${line}`)
  }
  mkdirSync(out, { recursive: true })

  const captureFile = join(out, 'demo.pcapng')
  const starting: Promise<Lab> = real
    ? RealLab.start({ topology: TOPOLOGY, executable, captureFile, kernelNodes }, progress)
    : MemoryLab.start({ topology: TOPOLOGY, captureFile }, progress)
  const lab: Lab = await Promise.race([starting, interrupted(signal)]).catch(async (error: unknown) => {
    await starting.then(async (late) => late.close()).catch(() => undefined)
    throw error
  })
  try {
    const report = await Promise.race([tellStory({ lab, topology: TOPOLOGY, progress, missing }), interrupted(signal)])
    writeFileSync(join(out, 'demo.json'), `${JSON.stringify(report, null, 2)}\n`)
    print(renderReport(report))
    print(`\nReport: ${join(out, 'demo.json')}${report.capture === null ? '' : `, capture: ${report.capture.file}`}`)
    if (keep && real) {
      print(
        '\nThe lab goes on. Try, in another terminal:\n  npx heddle --node cloud-a show routes\n  ip netns exec red-a ping 10.1.0.3\nCtrl-C ends it.',
      )
      await interrupted(signal).catch(() => undefined)
    }
    return report
  } finally {
    progress('cleaning up')
    await lab.close()
  }
}

/** Why nothing is real, where that is wanted. */
const ASKED_FOR = 'as asked for (--memory)'

/** Removes what a real lab that was killed has left. @returns what that was @throws LabError `lab.requirements` */
export async function cleanRealLab(): Promise<readonly string[]> {
  const missing = missingForRealLab()
  if (missing.length > 0) throw new LabError('lab.requirements', `nothing can be cleaned here; missing: ${missing.join('; ')}`)
  return removeLeftovers(TOPOLOGY)
}

function interrupted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => {
      reject(new LabError('lab.interrupted', 'interrupted'))
    }
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
}
