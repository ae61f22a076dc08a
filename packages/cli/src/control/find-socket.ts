import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { NAME_PATTERN } from '../schema/value-schemas.js'
import { UsageError } from '../exit-code.js'
import { SOCKET_FOLDER } from './default-socket.js'
import { ControlError } from './protocol.js'

/** How a command says which node it means. */
export interface NodeChoice {
  /** Name of a node of this host. */
  readonly node?: string
  /** Path of a control socket. */
  readonly socket?: string
}

/**
 * The socket of the node that is meant: the one that is named, or the only one of this host.
 *
 * @throws UsageError when there are several and none is named; ControlError `control.unreachable` when there is none
 */
export async function findSocket({ node, socket }: NodeChoice, folder = SOCKET_FOLDER): Promise<string> {
  if (socket !== undefined) return socket
  if (node !== undefined && !new RegExp(NAME_PATTERN).test(node))
    throw new UsageError(`--node takes the name of a node, found ${JSON.stringify(node)}`)
  if (node !== undefined) return join(folder, `${node}.sock`)
  const names = await readdir(folder).catch(() => [])
  const sockets = names.filter((name) => name.endsWith('.sock') && !name.startsWith('.')).map((name) => name.slice(0, -'.sock'.length))
  if (sockets.length === 0)
    throw new ControlError('control.unreachable', `no node runs here: none has a socket in ${folder}; --socket names one that is elsewhere`)
  if (sockets.length > 1) throw new UsageError(`several nodes run here, name one with --node: ${sockets.toSorted().join(', ')}`)
  return join(folder, `${sockets[0]}.sock`)
}
