// What serves for long begins with a small young generation, but never at the price of the channel to whoever forked it.
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../scripts/lib/packages.mjs'

const executable = join(root, 'packages', 'heddle', 'bin', 'heddle.js')
const TELL = '--import=data:text/javascript,console.error(process.execArgv.join())'
const ARGS = ['speaker', '--config', join(root, 'no-such-file.yaml')]

async function said(child: ChildProcess): Promise<string> {
  let text = ''
  child.stderr?.on('data', (data: Buffer) => {
    text += data.toString()
  })
  await new Promise((resolve) => child.on('close', resolve))
  return text
}

describe('the executable', () => {
  it.skipIf(!('execve' in process))(
    `begins anew with a small young generation${'execve' in process ? '' : ' (not run: this Node cannot)'}`,
    async () => {
      const env = { ...process.env, NODE_OPTIONS: TELL }
      expect(await said(spawn(process.execPath, [executable, ...ARGS], { env, stdio: 'pipe' }))).toContain('--max-semi-space-size=8')
    },
  )

  it('keeps the channel to a process that has forked it', async () => {
    const env = { ...process.env, NODE_OPTIONS: TELL }
    const text = await said(fork(executable, ARGS, { env, silent: true, execArgv: [] }))
    expect(text).toContain('no such file')
    expect(text).not.toContain('--max-semi-space-size')
  })
})
