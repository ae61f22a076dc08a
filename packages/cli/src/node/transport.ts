import type { Transport } from '@heddle/io'
import { nodeTcpTransport } from '@heddle/io/node'
import { linuxTcpTransport } from '@heddle/linux'

/**
 * TCP for BGP: Node's, which needs no native part, and for streams that are signed, limited by hops or bound to a device that of Linux. What the kernel
 * or this build lacks is `transport.unsupported`.
 */
export function bgpTransport(): Transport {
  const node = nodeTcpTransport()
  let linux: Transport | undefined
  const native = (): Transport => (linux ??= linuxTcpTransport())
  return {
    connect: async (options) => (options.protection !== undefined || options.remote.zone !== undefined ? native() : node).connect(options),
    listen: async (options) => ((options.protection ?? []).length > 0 ? native() : node).listen(options),
  }
}
