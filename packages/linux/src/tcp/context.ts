import type { Connection, ConnectOptions } from '@heddle/io'
import type { NativeTcpConnection } from '../native/binding.js'
import type { Readiness } from './readiness.js'

/** What streams of one transport share. */
export interface TcpContext {
  readonly namespace: string | undefined
  readonly readiness: Readiness
  /** Gives a connected socket to Node. */
  adopt(connection: NativeTcpConnection, protection: ConnectOptions['protection']): Connection
}
