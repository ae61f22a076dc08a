import type { Transport } from '@heddle/io'
import { nodeTcpTransport } from '@heddle/io/node'

/**
 * TCP for BGP: Node's, which needs no native part, and for streams that are signed, limited by hops or bound to a device that of Linux. What the kernel
 * or this build lacks is `transport.unsupported`.
 */
export function bgpTransport(): Transport {
  const node = nodeTcpTransport()
  let linux: Promise<Transport> | undefined
  const native = async (): Promise<Transport> => (linux ??= import('@heddle/linux').then(({ linuxTcpTransport }) => linuxTcpTransport()))
  return {
    connect: async (options) =>
      (options.protection !== undefined || options.remote.zone !== undefined ? await native() : node).connect(options),
    listen: async (options) => ((options.protection ?? []).length > 0 ? await native() : node).listen(options),
    signatureDrops: async () => (await native()).signatureDrops?.() ?? Promise.reject(new TypeError('not counted')),
  }
}
