import { readFile } from 'node:fs/promises'
import type { CniInstallOptions } from '@heddle/cni/node'
import { ask } from './ask.js'
import { UsageError } from '../exit-code.js'
import type { NodeChoice } from '../control/find-socket.js'
import type { Output } from '../output/output.js'
import { printable } from '../output/table.js'

export interface CniPlaces {
  /** Folder of executables. */
  readonly bin?: string
  /** Folder of configurations. */
  readonly conf?: string
  readonly name?: string
  readonly json?: boolean
}

export interface CniInstallCommand extends CniPlaces {
  /** Virtual network of pods. */
  readonly network: string
  /** Socket that the agent serves the plugin on. */
  readonly cniSocket?: string
  /** Plugins behind ours, by their types. */
  readonly chain?: readonly string[]
}

/** `heddle cni install`: puts executable and configuration in their places, once an agent serves. */
export async function cniInstall(options: CniInstallCommand, output: Output): Promise<void> {
  const { installCni } = await import('@heddle/cni/node')
  const { network, cniSocket, chain = [] } = options
  if (chain.includes('bandwidth'))
    throw new UsageError('--chain bandwidth: heddle-cni keeps pods to their limits itself, and bandwidth would find no queue; leave it out')
  const { executable, configuration, kept } = await installCni({
    ...placesOf(options),
    ...(cniSocket === undefined ? {} : { socket: cniSocket }),
    config: { network },
    chain: chain.map((type) => ({ type, ...CHAINED[type] })),
  })
  if (options.json === true) {
    output.write(`${JSON.stringify({ executable, configuration, kept }, null, 2)}\n`)
    return
  }
  output.write(`installed ${executable} and ${configuration}\n`)
  for (const file of kept) output.write(`moved ${file} aside; heddle cni uninstall puts it back\n`)
}

/** What plugins of the reference set take from the runtime. */
const CHAINED: Readonly<Record<string, object>> = {
  portmap: { capabilities: { portMappings: true } },
}

/** `heddle show metrics`. */
export async function showMetrics(node: NodeChoice, output: Output): Promise<void> {
  const text = (await ask(node, 'metrics', {})) as string
  if (text === '') output.error('nothing is counted: this node serves no container runtime (no section cni)\n')
  output.write(text)
}

/** `heddle cni uninstall`: takes them away, and puts back what was there before. */
export async function cniUninstall(options: CniPlaces, output: Output): Promise<void> {
  const { uninstallCni } = await import('@heddle/cni/node')
  await uninstallCni(placesOf(options))
  if (options.json === true) output.write(`${JSON.stringify({ installed: false })}\n`)
}

function placesOf({ bin, conf, name }: CniPlaces): CniInstallOptions {
  return {
    ...(bin === undefined ? {} : { binFolder: bin }),
    ...(conf === undefined ? {} : { configFolder: conf }),
    ...(name === undefined ? {} : { name }),
  }
}

export interface CniVerifyCommand {
  /** File with the plugin's configuration, one object of JSON. */
  readonly config: string
  /** Folders of plugins that it delegates to, with colons between. */
  readonly path: string
  /** Path of a namespace that shall be the plugin's host. */
  readonly host?: string
  readonly json?: boolean
}

/**
 * `heddle cni verify`: runs the conformance suite on the executable of a plugin, any.
 *
 * @throws CniVerifyError when it does not do what the specification demands
 */
export async function cniVerify(file: string, options: CniVerifyCommand, output: Output): Promise<void> {
  const { testPlugin } = await import('@heddle/cni/conformance')
  const { host } = options
  const plugin = { file, config: await configOf(options.config), path: options.path.split(':'), ...(host === undefined ? {} : { host }) }
  const outcomes = await testPlugin(plugin)
  if (options.json === true) {
    const rows = outcomes.map(({ check: { id, level, title, source }, outcome, reason }) => ({ id, level, title, source, outcome, reason }))
    output.write(`${JSON.stringify(rows, undefined, 2)}\n`)
  } else {
    for (const { check, outcome, reason } of outcomes) {
      output.write(`${outcome.padEnd(8)}${check.level.padEnd(10)}${check.id}: ${check.title}\n`)
      if (reason !== '') output.write(`        ${printable(reason.replaceAll(/\s+/g, ' '))}\n`)
    }
  }
  const broken = outcomes.filter(({ check, outcome }) => check.level === 'MUST' && outcome === 'failed').length
  if (broken > 0) throw new CniVerifyError(broken)
}

/** A plugin does not do what the specification demands. */
export class CniVerifyError extends Error {
  override readonly name = 'CniVerifyError'

  constructor(readonly broken: number) {
    super(`${broken} of the checks that a plugin must pass ${broken === 1 ? 'has' : 'have'} failed`)
  }
}

async function configOf(file: string): Promise<Readonly<Record<string, unknown>>> {
  const { parseInput } = await import('@heddle/cni')
  try {
    return parseInput(await readFile(file, 'utf8'))
  } catch (cause) {
    throw new UsageError(`--config ${file}: ${(cause as Error).message}`)
  }
}
