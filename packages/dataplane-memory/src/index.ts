export { captureUnderlay } from './capture.js'
export { memoryDataplane, type MemoryDataplane, type MemoryDataplaneOptions } from './memory-dataplane.js'
export type { MemoryEndpoint } from './memory-endpoint.js'
export { NAME_PORT, memoryHost, type MemoryHost, type MemoryHostOptions } from './memory-host.js'
export {
  memoryUnderlay,
  type FrameFate,
  type MemoryUnderlay,
  type MemoryUnderlayOptions,
  type UnderlayFrame,
  type UnderlayObserver,
} from './memory-underlay.js'
export { LINK_TYPES, pcapngWriter, type LinkType, type PacketNotes, type PcapngWriter } from './pcapng.js'
export { INJECTED, withFaults, type Faults } from './with-faults.js'
export { withTrace, type DataplaneCall, type Outcome } from './with-trace.js'
