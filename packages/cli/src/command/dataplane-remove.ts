import type { EbpfLeftover, EbpfRemoval } from '@heddle/dataplane-ebpf'
import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { loadNode } from '../config/load.js'
import { SOCKET_FOLDER } from '../control/default-socket.js'
import { findSocket, type NodeChoice } from '../control/find-socket.js'
import { UsageError } from '../exit-code.js'
import { pinDirectoryBeside, pinDirectoryOf, PINS_END } from '../node/dataplane-source.js'
import type { Output } from '../output/output.js'
import { formatTable, printable, type Column } from '../output/table.js'

export interface DataplaneRemoveOptions extends NodeChoice {
  /** Directory of pins. */
  readonly pins?: string
  /** File with the configuration of the node that had them. */
  readonly config?: string
  readonly dryRun?: boolean
  readonly json?: boolean
}

const COLUMNS: readonly Column<EbpfLeftover>[] = [
  { title: 'KIND', text: ({ kind }) => kind },
  { title: 'NAME', text: ({ name }) => name },
  { title: 'NETNS', text: ({ netns = '-' }) => netns },
]

/** `heddle dataplane remove`: takes away what a node that forwards in the kernel has left, without a node. @throws DataplaneError `dataplane.busy` beside one */
export async function dataplaneRemove(options: DataplaneRemoveOptions, output: Output): Promise<void> {
  const { dryRun = false, json = false } = options
  const pinDirectory = await directoryOf(options)
  const { removeDataplane } = await import('@heddle/dataplane-ebpf')
  const removal = await removeDataplane({ pinDirectory, isDryRun: dryRun })
  if (json) output.write(`${JSON.stringify({ ...removal, dryRun }, null, 2)}\n`)
  else output.write(textOf(removal, dryRun, output.isTerminal))
  if (!json) for (const sentence of removal.left) output.error(`heddle: ${printable(sentence)}\n`)
}

function textOf({ pinDirectory, removed }: EbpfRemoval, isDryRun: boolean, colors: boolean): string {
  // Nothing is found but by pins, which are told with it.
  if (removed.length === 0) return `no pins are there: ${pinDirectory} has none, and without them nothing is found of a dataplane\n`
  return `${isDryRun ? 'would be taken away' : 'taken away'}:\n${formatTable(COLUMNS, removed, { colors })}`
}

/** Where pins are: what is named, the node's that is named, or those of the only node of this host that has had some. @throws UsageError, ConfigError */
async function directoryOf({ pins, config, node, socket }: DataplaneRemoveOptions): Promise<string> {
  if (pins !== undefined) return resolve(pins)
  if (config !== undefined) return pinDirectoryOf(await loadNode(config))
  if (node !== undefined || socket !== undefined) {
    const choice = { ...(node === undefined ? {} : { node }), ...(socket === undefined ? {} : { socket: resolve(socket) }) }
    return pinDirectoryBeside(await findSocket(choice))
  }
  return onlyOne(SOCKET_FOLDER)
}

async function onlyOne(folder: string): Promise<string> {
  const names = await readdir(folder).catch(() => [])
  const found = names.filter((name) => name.endsWith(PINS_END)).map((name) => join(folder, name))
  const way = '--pins DIR or --config FILE names one'
  if (found.length === 0) throw new UsageError(`no node has had its pins in ${folder}: ${way}`)
  if (found.length > 1) throw new UsageError(`several nodes have had their pins in ${folder} (${found.toSorted().join(', ')}): ${way}`)
  return found[0]
}
