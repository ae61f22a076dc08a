// What serves for long begins small: with a small young generation, never at the price of the channel to whoever forked it, and with no more code than it runs.
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import * as modules from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../scripts/lib/packages.mjs'

const executable = join(root, 'packages', 'heddle', 'bin', 'heddle.js')
const TELL = '--import=data:text/javascript,console.error(process.execArgv.join())'
const ARGS = ['speaker', '--config', join(root, 'no-such-file.yaml')]
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-executable-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

async function said(child: ChildProcess): Promise<string> {
  let text = ''
  child.stderr?.on('data', (data: Buffer) => {
    text += data.toString()
  })
  await new Promise((resolve) => child.on('close', resolve))
  return text
}

/** What a command loads until it first writes to standard output or ends, as paths in the repository. */
async function loaded(words: readonly string[]): Promise<string[]> {
  const hook = join(folder, 'hook.mjs')
  writeFileSync(
    hook,
    `import { registerHooks } from 'node:module'
     registerHooks({ load: (url, context, next) => (console.error('loaded ' + url), next(url, context)) })`,
  )
  const child = spawn(process.execPath, [`--import=${hook}`, executable, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.once('data', () => child.kill())
  const lines = (await said(child)).split('\n').filter((line) => line.startsWith('loaded file:'))
  return lines.map((line) => line.replace('loaded file://', '').replace(`${root}/`, ''))
}

/** The resident memory of a process at its peak, MiB, once it has written to standard output. */
async function peak(words: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  child.kill()
  await new Promise((resolve) => child.once('close', resolve))
  return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1]) / 1024
}

function speakerWords(): string[] {
  const config = join(folder, 'speaker.yaml')
  const bgp = { as: 65000, listen: [{ address: '127.0.0.1', port: 0 }], neighbors: [{ address: '127.0.48.9', as: 65000, passive: true }] }
  writeFileSync(config, JSON.stringify({ node: { name: 's', address: '127.0.0.1' }, socket: join(folder, 's.sock'), bgp }))
  return ['speaker', '--config', config, '--log-level', 'silent']
}

describe('the executable', () => {
  it.skipIf(!('execve' in process))(
    `begins anew with a small young generation${'execve' in process ? '' : ' (not run: this Node cannot)'}`,
    async () => {
      const env = { ...process.env, NODE_OPTIONS: TELL }
      expect(await said(spawn(process.execPath, [executable, ...ARGS], { env, stdio: 'pipe' }))).toContain('--max-semi-space-size=4')
    },
  )

  it('keeps the channel to a process that has forked it', async () => {
    const env = { ...process.env, NODE_OPTIONS: TELL }
    const text = await said(fork(executable, ARGS, { env, silent: true, execArgv: [] }))
    expect(text).toContain('no such file')
    expect(text).not.toContain('--max-semi-space-size')
  })

  const canTell = 'registerHooks' in modules
  it.skipIf(!canTell)(`loads of a speaker no part that only nodes have${canTell ? '' : ' (not run: this Node cannot tell)'}`, async () => {
    const files = await loaded(speakerWords())
    expect(files.some((file) => file.startsWith('packages/bgp/'))).toBe(true)
    const foreign = /^packages\/(linux|forwarding|cni|dataplane-[a-z]+|cli\/dist\/(lab|cni|create-node|decode|show|explain|capture)[^/]*)\//
    expect(files.filter((file) => foreign.test(file.replace(/\.js$/, '/')))).toEqual([])
    // each is a choice that costs megabytes: see docs/dependencies.md
    const others = new Set(files.map((file) => /node_modules\/((@[^/]+\/)?[^/]+)/.exec(file)?.[1]).filter((name) => name !== undefined))
    expect([...others].toSorted()).toEqual(['@cfworker/json-schema', 'commander', 'eventemitter3'])
  })

  it.skipIf(!canTell)(`loads of a question to a node no BGP${canTell ? '' : ' (not run: this Node cannot tell)'}`, async () => {
    const files = await loaded(['--socket', join(folder, 'none.sock'), 'show', 'routes'])
    expect(files.filter((file) => /^packages\/(?!cli\/|heddle\/)/.test(file))).toEqual([])
  })

  it.skipIf(process.platform !== 'linux')('begins a speaker with at most 32 MiB beside those of Node itself', async () => {
    const alone = await peak(['-e', 'console.log(); setInterval(() => undefined, 1e6)'])
    expect((await peak([executable, ...speakerWords()])) - alone).toBeLessThan(32)
  })
})
