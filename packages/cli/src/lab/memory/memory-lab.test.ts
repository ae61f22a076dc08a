import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { demoSchema } from '../../schema/demo-schema.js'
import { viewSchemas } from '../../schema/view-schemas.js'
import { violations } from '../../schema/violations.js'
import type { ViewName } from '@heddle/agent'
import { tellStory } from '../story.js'
import { TOPOLOGY } from '../topology.js'
import type { DemoReport } from '../report.js'
import { MemoryLab } from './memory-lab.js'

let folder: string
let lab: MemoryLab
let report: DemoReport
let views: readonly (readonly [ViewName, readonly unknown[]])[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-memory-lab-'))
  lab = await MemoryLab.start({ topology: TOPOLOGY, captureFile: join(folder, 'demo.pcapng') }, () => undefined)
  report = await tellStory({ lab, topology: TOPOLOGY, progress: () => undefined, missing: [] })
  const names = Object.keys(viewSchemas) as ViewName[]
  views = await Promise.all(names.map(async (name) => [name, await lab.show('cloud-a', name)] as const))
})
afterAll(async () => {
  await lab.close()
  await rm(folder, { recursive: true })
})

describe('the main job in memory', () => {
  it('passes every check that applies, and says which do not', () => {
    expect(report.checks.filter(({ status }) => status === 'failed')).toEqual([])
    expect(report.verdict).toBe('passed')
    expect(report.checks.filter(({ status }) => status === 'not-applicable').map(({ name }) => name)).toEqual([
      'tcp throughput',
      'peer view',
    ])
  })

  it('reports as its schema says', () => {
    expect(violations(JSON.parse(JSON.stringify(report)), demoSchema)).toEqual([])
  })

  it('shows every view as its schema says, none of them empty but those of services, of watched paths and of what is in the kernel', () => {
    for (const [name, rows] of views) {
      expect([name, violations(JSON.parse(JSON.stringify(rows)), viewSchemas[name])]).toEqual([name, []])
      expect([name, rows.length > 0]).toEqual([name, !['services', 'bfd', 'bpf'].includes(name)])
    }
  })

  it('writes a capture', async () => {
    expect((await stat(join(folder, 'demo.pcapng'))).size).toBeGreaterThan(10_000)
  })
})
