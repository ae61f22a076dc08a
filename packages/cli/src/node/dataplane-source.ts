import type { DataplaneSource } from '@heddle/agent'
import { DataplaneError } from '@heddle/core'
import type { underlayMtu } from '@heddle/dataplane-tun'
import type { Logger } from '@heddle/io'
import { nodeClock } from '@heddle/io/node'
import { IpAddress } from '@heddle/wire'
import type { NodeDocument } from '../config/document.js'
import { defaultSocket } from '../control/default-socket.js'

/** Largest packet of an underlay of which nothing is known, octets. */
const DEFAULT_UNDERLAY_MTU = 1_500
/** Largest IP packet. */
const LARGEST_MTU = 65_535

/** A dataplane as a configuration names it, and how large a packet its underlay carries. */
export interface ChosenDataplane {
  readonly source: DataplaneSource
  readonly underlayMtu: number
}

/**
 * The dataplane of a configuration: adapters are loaded when one is named, so that a node in memory needs no native code.
 *
 * @throws DataplaneError `dataplane.device` when no link has the node's address, or leads to its neighbours
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
      const { tunDataplane, underlayMtu } = await import('@heddle/dataplane-tun')
      return {
        source: async () => tunDataplane({ addresses, inProcess, stateDir: stateDirOf(document), logger }),
        underlayMtu: configured ?? (await smallestMtu(addresses[0], document, underlayMtu)),
      }
    }
    case 'ebpf': {
      const [{ ebpfDataplane }, { underlayMtu }] = await Promise.all([import('@heddle/dataplane-ebpf'), import('@heddle/dataplane-tun')])
      const uplink = named ?? (await uplinkOf(addresses[0], document))
      const pins = inProcess ? {} : { pinDirectory: pinDirectoryOf(document) }
      return {
        source: async () => ebpfDataplane({ addresses, uplink, logger, ...pins, ...ofEbpf }),
        underlayMtu: configured ?? (await smallestMtu(addresses[0], document, underlayMtu)),
      }
    }
  }
}

/**
 * The smallest MTU on the ways to the neighbours, which tells more than the link of the address: a tunnel's end often is an address of the loopback
 * device. Where no way is known, the link says.
 */
async function smallestMtu(local: IpAddress, { bgp }: NodeDocument, lookUp: typeof underlayMtu): Promise<number> {
  const remotes = (bgp.neighbors ?? []).map(({ address }) => IpAddress.parse(address)).filter(({ family }) => family === local.family)
  const ways = await Promise.allSettled(remotes.map(async (remote) => lookUp(local, { remote })))
  const known = ways.flatMap((way) => (way.status === 'fulfilled' ? [way.value] : []))
  const mtu = Math.min(...(known.length === 0 ? [await lookUp(local)] : known))
  return mtu > LARGEST_MTU ? DEFAULT_UNDERLAY_MTU : mtu // of the loopback device, which is no underlay
}

/**
 * The link on the way to the first neighbour that is not this host's, since the node's address often is one of the loopback device; else the link that
 * has the address.
 */
async function uplinkOf(local: IpAddress, { bgp }: NodeDocument): Promise<string> {
  const { LinuxError, Netlink } = await import('@heddle/linux')
  using netlink = await Netlink.open()
  for (const { address } of bgp.neighbors ?? []) {
    if (IpAddress.parse(address).family !== local.family) continue
    try {
      const { link, kind } = await netlink.routes.lookup(address)
      if (kind === 'unicast') return link
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error // no way there, now
    }
  }
  for (const { index, address } of await netlink.addresses.list()) {
    if (address.split('/', 1)[0] === `${local}`) return (await netlink.links.get(index)).name
  }
  throw new DataplaneError('dataplane.device', `no link has the address ${local}: the key dataplane.uplink names one`)
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
