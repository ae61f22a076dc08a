export { AsyncQueue } from './async-queue.js'
export type { Clock, Timer } from './clock.js'
export type { Datagram, DatagramPort } from './datagram-port.js'
export { EventQueue } from './event-queue.js'
export { silentLogger, type LogFields, type LogLevel, type Logger } from './logger.js'
export type { Random } from './random.js'
export type { RouterDiscovery, RouterNews, RouterWatch } from './router-discovery.js'
export { SafeEvents, logFailedCallback, type CallbackFailed } from './safe-events.js'
export { TransportError, refuseProtection, refuseZone } from './transport.js'
export type {
  ConnectOptions,
  Connection,
  Endpoint,
  Listener,
  ListenOptions,
  PeerProtection,
  SignatureDrops,
  StreamAuthentication,
  StreamProtection,
  TcpAoKey,
  Transport,
  TransportErrorCode,
} from './transport.js'
export { untilAborted } from './until-aborted.js'
