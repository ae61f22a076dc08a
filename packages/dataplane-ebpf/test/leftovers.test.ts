import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { Namespaces } from '../../dataplane-tun/test/support/namespaces.js'
import { call } from '../src/native/call.js'
import { missing, titled } from './support/requirements.js'
import { isMounted } from './support/router-lab.js'

it.skipIf(missing() !== '')(
  titled('what a test that was killed has mounted goes with the next test, and what runs keeps its own'),
  async () => {
    const run = spawn('cat')
    const ended = once(run, 'exit')
    const ours = makeFolder('leftovers')
    const leftover = mkdtempSync(join(tmpdir(), `hd-${run.pid}-leftovers-`))
    const mounted = [ours, leftover].map((folder) => join(folder, 'pins'))
    try {
      for (const folder of mounted) {
        call((native) => native.bpffsEnsure(folder, 'mounted'))
        mkdirSync(join(folder, 'layout-0'))
      }
      expect(mounted.map(isMounted)).toEqual([true, true])
      run.kill('SIGKILL')
      await ended
      new Namespaces().close()
      expect(mounted.map(isMounted)).toEqual([true, false])
      expect([ours, leftover].map((folder) => existsSync(folder))).toEqual([true, false])
    } finally {
      run.kill('SIGKILL')
      for (const folder of mounted.filter(isMounted)) call((native) => native.bpffsRelease(folder))
      for (const folder of [ours, leftover]) rmSync(folder, { recursive: true, force: true })
    }
  },
)
