import { existsSync, rmSync } from 'node:fs'
import { defaultSocket } from '../../control/default-socket.js'
import { pinDirectoryOf, stateDirOf } from '../../node/dataplane-source.js'
import { nodeDocument } from '../node-document.js'
import type { LabTopology } from '../topology.js'
import { command } from './command.js'
import { existing, namespacesOf, removeNamespace } from './namespaces.js'

/**
 * Ends what runs in the namespaces of a lab that was killed, and removes them, with the sockets of its nodes.
 *
 * @returns what was there
 */
export async function removeLeftovers(topology: LabTopology): Promise<readonly string[]> {
  const removed: string[] = []
  for (const name of existing(namespacesOf(topology))) {
    await removeNamespace(name)
    removed.push(`namespace ${name}`)
  }
  return [...removed, ...(await removeNodeState(topology))]
}

/**
 * Removes what nodes of a lab that do not run any more have under /run: sockets, logs of forwarders, pins.
 *
 * @returns what was there
 */
export async function removeNodeState(topology: LabTopology): Promise<readonly string[]> {
  const removed: string[] = []
  for (const node of topology.nodes) {
    const document = nodeDocument(topology, node, { netns: ({ name }) => `/run/netns/${name}` })
    for (const path of [defaultSocket(node.name), stateDirOf(document), pinDirectoryOf(document)]) {
      if (!existsSync(path)) continue
      // A node that forwards in the kernel has mounted its pins there.
      if (path === pinDirectoryOf(document)) await command('umount', ['--quiet', path]).catch(() => undefined)
      rmSync(path, { recursive: true, force: true })
      removed.push(path)
    }
  }
  return removed
}
