import { Socket } from 'node:net'
import type { Connection, Endpoint } from '../transport.js'
import { TcpConnection } from './tcp-connection.js'
import type { NodeTcpOptions } from './tcp-transport.js'

/** What is known of a socket besides what Node tells, and can be done with it. */
export interface TcpSocketFacts {
  /** Node cannot name the link of an address when the socket is in another network namespace. */
  readonly local?: Endpoint
  readonly remote?: Endpoint
  /** Not called once the connection is closed. */
  readonly rekey?: NonNullable<Connection['rekey']>
}

/**
 * A connected TCP socket that something else has made, as a `Connection` that owns it from here on.
 *
 * @param fd its descriptor, which does not block
 */
export function adoptTcpSocket(fd: number, { noDelay, ...limits }: Required<NodeTcpOptions>, facts: TcpSocketFacts = {}): Connection {
  const socket = new Socket({ fd, allowHalfOpen: true })
  socket.setNoDelay(noDelay)
  return new TcpConnection(socket, limits, facts)
}
