import type { Logger } from '@heddle/io'
import { LinuxError, UdpBatchSocket, type Netlink } from '@heddle/linux'
import { VXLAN_PORT } from '@heddle/mpls'
import type { IpAddress } from '@heddle/wire'
import { isVxlanMerger } from './segment-merger.js'

/** Where the port is asked for. */
export interface VxlanPortPlace {
  readonly addresses: readonly IpAddress[]
  readonly netns: string | undefined
  /** Name of the VRF device that the uplink is in. */
  readonly vrf: string | undefined
  /** Of the router's namespace. */
  readonly netlink: Netlink
  readonly logger: Logger
}

/**
 * Warns where somebody else has the port of VXLAN at one of the router's addresses: nothing comes to that socket once there are VNIs. Who has a port by the
 * kernel alone, as devices of VXLAN have it, is known by no process: a socket of one's own that is closed again finds it taken.
 */
export async function warnOfVxlanPort({ addresses, netns, vrf, netlink, logger }: VxlanPortPlace): Promise<void> {
  for (const address of addresses) {
    if (!(await isTaken(address, netns, vrf)) || (await isRouters(netlink))) continue
    logger.warn('Another program has the port of VXLAN: nothing comes to it any more once a VNI is programmed', {
      address: address.toString(),
      port: VXLAN_PORT,
      remedy: 'have that program use another address or port, or this router carry no VXLAN (`encapsulations`)',
    })
  }
}

/** Whether the device of a router has the port, which carries nothing; also where that cannot be asked, which is no reason to warn, or to open nothing. */
async function isRouters(netlink: Netlink): Promise<boolean> {
  try {
    return (await netlink.links.list()).some(({ name, up }) => up && isVxlanMerger(name))
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error
    return true
  }
}

async function isTaken(address: IpAddress, netns: string | undefined, vrf: string | undefined): Promise<boolean> {
  const bind = { address: address.toString(), port: VXLAN_PORT }
  try {
    const socket = await UdpBatchSocket.open({
      bind,
      ...(netns === undefined ? {} : { namespace: netns }),
      ...(vrf === undefined ? {} : { link: vrf }),
    })
    socket.close()
    return false
  } catch (error) {
    // What cannot be asked, as for want of the address, is no reason to warn.
    if (!(error instanceof LinuxError)) throw error
    return error.code === 'EADDRINUSE'
  }
}
