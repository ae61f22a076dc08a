import type { DataplaneSource } from '@heddle/agent'
import type { Logger } from '@heddle/io'
import { nodeClock } from '@heddle/io/node'
import { IpAddress } from '@heddle/wire'
import type { NodeDocument } from '../config/document.js'
import { DEFAULT_UNDERLAY_MTU } from '../config/resolve.js'
import { defaultSocket } from '../control/default-socket.js'
import type { UnderlayWays } from './underlay-ways.js'

/** A dataplane as a configuration names it, and how large a packet its underlay carries. */
export interface ChosenDataplane {
  readonly source: DataplaneSource
  readonly underlayMtu: number
}

/**
 * The dataplane of a configuration: adapters are loaded when one is named, so that a node in memory needs no native code.
 *
 * @throws DataplaneError `dataplane.device` when no way leads to a neighbour, and no link has the node's address that could be its uplink
 */
export async function chooseDataplane(document: NodeDocument, logger: Logger): Promise<ChosenDataplane> {
  // What only the eBPF dataplane has is handed on as it is: what is left out is for it to choose.
  const { kind = 'tun', inProcess = false, underlayMtu: configured, endpointFlows: _, uplink: named, ...ofEbpf } = document.dataplane ?? {}
  const addresses = [IpAddress.parse(document.node.address)]
  switch (kind) {
    case 'memory': {
      const { memoryDataplane } = await import('@heddle/dataplane-memory')
      return { source: async () => memoryDataplane({ addresses, clock: nodeClock }), underlayMtu: configured ?? DEFAULT_UNDERLAY_MTU }
    }
    case 'tun': {
      const { tunDataplane } = await import('@heddle/dataplane-tun')
      return {
        source: async () => tunDataplane({ addresses, inProcess, stateDir: stateDirOf(document), logger }),
        underlayMtu: configured ?? (await found(document, async (ways) => ways.smallestMtu())),
      }
    }
    case 'ebpf': {
      const { ebpfDataplane } = await import('@heddle/dataplane-ebpf')
      const uplink = named ?? (await found(document, async (ways) => ways.uplink()))
      const pins = inProcess ? {} : { pinDirectory: pinDirectoryOf(document) }
      return {
        source: async () => ebpfDataplane({ addresses, uplink, logger, ...pins, ...ofEbpf }),
        underlayMtu: configured ?? (await found(document, async (ways) => ways.smallestMtu())),
      }
    }
  }
}

/** What the kernel tells of the ways to the neighbours. */
async function found<T>(document: NodeDocument, ask: (ways: UnderlayWays) => Promise<T>): Promise<T> {
  const [{ Netlink }, { UnderlayWays }] = await Promise.all([import('@heddle/linux'), import('./underlay-ways.js')])
  using netlink = await Netlink.open()
  return await ask(new UnderlayWays(document, netlink))
}

/** How the name of a directory of pins ends where a configuration names none. */
export const PINS_END = '.state.bpf'

/** Where a node that forwards in the kernel keeps its pins: where it is told, or beside the control socket. */
export function pinDirectoryOf(document: NodeDocument): string {
  return document.dataplane?.pinDirectory ?? pinDirectoryBeside(socketOf(document))
}

/** Where a node has its pins that was not told where. @param socket path of its control socket */
export function pinDirectoryBeside(socket: string): string {
  return `${withoutEnd(socket)}${PINS_END}`
}

/** Where a node's forwarder keeps its socket and log: beside the control socket. */
export function stateDirOf(document: NodeDocument): string {
  return `${withoutEnd(socketOf(document))}.state`
}

function socketOf({ socket, node }: NodeDocument): string {
  return socket ?? defaultSocket(node.name)
}

function withoutEnd(socket: string): string {
  return socket.replace(/\.sock$/, '')
}
