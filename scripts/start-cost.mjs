// node scripts/start-cost.mjs: what the executable costs before it does anything: time until it serves or ends, resident memory then. Medians of five.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toolNode } from './lib/bootstrap.mjs'
import { root } from './lib/packages.mjs'

const ROUNDS = 5
const node = toolNode()
const executable = join(root, 'packages', 'heddle', 'bin', 'heddle.js')
const folder = mkdtempSync(join(tmpdir(), 'heddle-start-'))
const socket = join(folder, 'start.sock')
const config = join(folder, 'start.yaml')
const bgp = { as: 65000, listen: [{ address: '127.0.0.1', port: 0 }] }

/** @type {[name: string, words: string[], document?: object][]} */
const COMMANDS = [
  ['node alone', ['-e', 'console.log(process.pid); setInterval(() => undefined, 1e6)']],
  ['heddle --help', [executable, '--help']],
  ['heddle show routes (no node is there)', [executable, '--socket', socket, 'show', 'routes']],
  ['heddle speaker', [executable, 'speaker', '--config', config], { node: { name: 's', address: '127.0.0.1' }, socket, bgp }],
  [
    'heddle node, dataplane in memory',
    [executable, 'node', '--config', config],
    { node: { name: 'n', address: '127.0.0.1' }, socket, bgp, dataplane: { kind: 'memory' } },
  ],
]

try {
  for (const [name, words, document] of COMMANDS) {
    writeFileSync(config, JSON.stringify(document ?? {}))
    const rounds = []
    for (let round = 0; round < ROUNDS; round++) rounds.push(await measure(words))
    const median = (/** @type {number[]} */ values) => values.toSorted((a, b) => a - b)[ROUNDS >> 1]
    const ms = median(rounds.map(({ time }) => time))
    const memory = rounds.map(({ peak }) => peak).filter((peak) => peak !== undefined)
    console.log(
      `${name.padEnd(40)}${ms.toFixed(0).padStart(6)} ms${memory.length === 0 ? '' : `${median(memory).toFixed(1).padStart(8)} MiB`}`,
    )
  }
} finally {
  rmSync(folder, { recursive: true })
}

/** Until the first line on standard output, or the end. @param {string[]} words @returns {Promise<{ time: number, peak: number | undefined }>} */
async function measure(words) {
  const begin = performance.now()
  const child = spawn(node, words, { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise((resolve) => child.once('close', resolve))
  await Promise.race([ended, new Promise((resolve) => child.stdout.once('data', resolve))])
  const time = performance.now() - begin
  let peak
  try {
    peak = Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024
  } catch {
    // it has ended, or this is no Linux
  }
  child.kill()
  await ended
  return { time, peak: Number.isFinite(peak) ? peak : undefined }
}
