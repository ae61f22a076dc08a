export { DEFAULT_BFD_INTERVALS, strictest, type BfdIntervals } from './intervals.js'
export {
  bfdPacket,
  detectionTime,
  newBfdSession,
  SLOW_INTERVAL,
  stepBfd,
  transmitInterval,
  type BfdConfig,
  type BfdEvent,
  type BfdSession,
  type BfdStep,
} from './session.js'
export { BfdSessions, reasonOf, type BfdSessionsOptions, type BfdSessionStatus, type SavedBfdSession } from './sessions.js'
export { pathKey, type WatchedPath } from './watched-path.js'
export { BfdWatcher, type BfdPathRequest, type BfdPort, type BfdWatcherOptions, type WatchedSession } from './watcher.js'
