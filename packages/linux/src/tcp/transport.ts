import {
  TransportError,
  type Connection,
  type ConnectOptions,
  type Endpoint,
  type Listener,
  type ListenOptions,
  type Transport,
} from '@heddle/io'
import { adoptTcpSocket, toTransportError, type NodeTcpOptions } from '@heddle/io/node'
import { IpAddress } from '@heddle/wire'
import { closeDescriptor } from '../descriptor-handover.js'
import type { NativeTcpConnection } from '../native/binding.js'
import { call, callAsync } from '../native/call.js'
import { namespacePath, type NamespaceReference } from '../network-namespace.js'
import { READINESS } from '../poller.js'
import type { TcpContext } from './context.js'
import { endpointOf, hasOwnZone, nativeEnd } from './endpoint.js'
import { LinuxTcpListener } from './listener.js'
import { protectStream, protecting, rekeyStream } from './protection.js'
import { Readiness } from './readiness.js'
import { signatureDrops } from './signature-drops.js'

/** Where streams are, and their buffers. */
export interface LinuxTcpOptions extends NodeTcpOptions {
  /** Namespace of all streams. Default: the process's own. */
  readonly namespace?: NamespaceReference
}

/**
 * TCP with what Node's has not: signatures by TCP MD5 and TCP-AO, hop limits both ways (RFC 5082), devices (`zone`), network namespaces. Sockets are
 * made natively and then handed to Node. What the kernel lacks is `transport.unsupported` and names the option.
 */
export function linuxTcpTransport(options: LinuxTcpOptions = {}): Transport {
  const { highWaterMark = 65_536, closeTimeout = 1000, noDelay = true, namespace } = options
  const context: TcpContext = {
    namespace: namespacePath(namespace),
    readiness: new Readiness(),
    adopt: (connection, protection) => adopt(connection, protection, { highWaterMark, closeTimeout, noDelay }),
  }
  return {
    connect: (wanted) => connect(wanted, context),
    listen: (wanted) => listen(wanted, context),
    signatureDrops: () => signatureDrops(context.namespace),
  }
}

async function connect({ remote, localAddress, protection, signal }: ConnectOptions, context: TcpContext): Promise<Connection> {
  const what = `connecting to ${remote.address} port ${remote.port}`
  const { family } = remote.address
  let fd: number | undefined
  try {
    fd = await open(family, remote, context)
    checkSignal(signal, what)
    const socket = fd
    if (protection !== undefined) protecting(what, () => protectStream(socket, family, remote.address, protection))
    if (localAddress !== undefined)
      call((native) => native.tcpBind(socket, nativeEnd({ ...remote, address: localAddress, port: 0 }), false))
    call((native) => native.tcpConnect(socket, nativeEnd(remote)))
    await writable(socket, context, signal)
    checkSignal(signal, what)
    const connected = call((native) => native.tcpConnected(socket))
    fd = undefined
    return context.adopt(connected, protection)
  } catch (error) {
    if (fd !== undefined) closeDescriptor(fd)
    throw toTransportError(error, what)
  }
}

async function listen({ address, port, zone, protection = [] }: ListenOptions, context: TcpContext): Promise<Listener> {
  const what = `listening on ${address} port ${port}`
  const end = { address, port, ...(zone === undefined ? {} : { zone }) }
  let fd: number | undefined
  try {
    const socket = (fd = await open(address.family, end, context))
    call((native) => native.tcpBind(socket, nativeEnd(end), true))
    return new LinuxTcpListener(socket, what, address.family, zone, protection, context)
  } catch (error) {
    if (fd !== undefined) closeDescriptor(fd)
    throw toTransportError(error, what)
  }
}

/** A socket that is bound to the device, unless the zone belongs to the address itself. */
function open(family: 4 | 6, { address, zone }: Endpoint, { namespace }: TcpContext): Promise<number> {
  return callAsync((native) => native.tcpOpen(namespace, family, hasOwnZone(address) ? undefined : zone))
}

function writable(fd: number, { readiness }: TcpContext, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      signal?.removeEventListener('abort', end)
      watch.close()
      resolve()
    }
    const watch = readiness.watch(fd, READINESS.writable, end)
    signal?.addEventListener('abort', end)
  })
}

function checkSignal(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted === true) throw new TransportError('transport.aborted', what)
}

function adopt(
  { fd, local, remote }: NativeTcpConnection,
  protection: ConnectOptions['protection'],
  options: Required<NodeTcpOptions>,
): Connection {
  const ends = { local: endpointOf(local), remote: endpointOf(remote) }
  let authentication = protection?.authentication
  if (authentication === undefined) return adoptTcpSocket(fd, options, ends)
  const peer = IpAddress.parse(remote.address)
  return adoptTcpSocket(fd, options, {
    ...ends,
    rekey: (next) => {
      if (authentication === undefined) return
      rekeyStream(fd, peer, authentication, next)
      authentication = next
    },
  })
}
