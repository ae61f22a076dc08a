// The suite for plugins, on ours, which passes all of it, and on Debian's reference plugins, of which it finds what is known to be wrong.
import { existsSync } from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { PLUGIN_CHECKS, testPlugin, type CheckOutcome, type PluginUnderTest } from '../src/conformance/index.js'
import { CLIENT } from './support/client.js'
import { labMissing, Namespaces, NodeLab } from './support/node-lab.js'

const missing = labMissing()
const REFERENCE = '/usr/lib/cni'
const noReference =
  missing !== '' ? missing : existsSync(join(REFERENCE, 'bridge')) ? '' : 'needs the Debian package containernetworking-plugins'

/** What takes seconds on plugins that start slowly is run on them with HEDDLE_DEPTH=full. */
const referenceChecks = PLUGIN_CHECKS.filter(({ id }) => process.env['HEDDLE_DEPTH'] === 'full' || !/^kill|^del\.frees/.test(id))

const failures = (outcomes: readonly CheckOutcome[]): Record<string, string> =>
  Object.fromEntries(outcomes.filter(({ outcome }) => outcome === 'failed').map(({ check, reason }) => [check.id, reason]))

describe.skipIf(missing !== '')(`the suite for plugins, on ours${missing === '' ? '' : ` (not run: ${missing})`}`, () => {
  it('passes every check', async () => {
    const lab = new NodeLab()
    try {
      await lab.start()
      const plugin: PluginUnderTest = {
        file: CLIENT,
        config: { type: 'heddle', network: 'small', socket: lab.socket },
        path: [REFERENCE],
        host: lab.namespaces.path('host'),
        addresses: 14,
      }
      const outcomes = await testPlugin(plugin)
      expect(failures(outcomes)).toEqual({})
      expect(outcomes.filter(({ outcome }) => outcome === 'skipped')).toEqual([])
      expect(outcomes.length).toBeGreaterThan(35)
    } finally {
      await lab.close()
    }
  })
})

describe.skipIf(noReference !== '')(
  `the suite for plugins, on the reference plugins${noReference === '' ? '' : ` (not run: ${noReference})`}`,
  () => {
    const namespaces = noReference === '' ? new Namespaces() : undefined
    const folder = mkdtempSync(join(tmpdir(), 'heddle-cni-conformance-'))
    afterAll(() => {
      namespaces?.close()
      rmSync(folder, { recursive: true })
    })

    it.each(['bridge', 'ptp'])(
      'finds what %s does not do',
      async (type) => {
        const outcomes = await testPlugin(
          {
            file: join(REFERENCE, type),
            config: {
              type,
              ...(type === 'bridge' ? { bridge: 'hdconf' } : {}),
              ipam: { type: 'host-local', dataDir: join(folder, type), subnet: '10.8.0.0/28', routes: [{ dst: '0.0.0.0/0' }] },
            },
            path: [REFERENCE],
            host: namespaces?.path(type) ?? '',
            addresses: 13,
          },
          referenceChecks,
        )
        if (process.env['HEDDLE_SHOW'] !== undefined)
          for (const { check, outcome, reason } of outcomes) process.stderr.write(`${type} ${check.id} ${outcome} ${reason}\n`)
        const found = failures(outcomes)
        const always = ['version.echo', 'version.newest', 'error.version', 'add.prev-result', 'add.host-namespace']
        expect(Object.keys(found)).toEqual(
          expect.arrayContaining([...always, type === 'bridge' ? 'add.failure-leaves-nothing' : 'add.second-interface']),
        )
        expect(outcomes.filter(({ outcome }) => outcome === 'passed').length).toBeGreaterThan(20)
      },
      60_000,
    )
  },
)
