import type { DeviceFacts, DeviceRequest } from '@heddle/core'

/** The far side of a port's device: what a pod's network stack would be. */
export interface MemoryEndpoint {
  readonly port: number
  readonly device: DeviceRequest & DeviceFacts
  /** IP packets, or frames where the port has a link, that came out of the device, oldest first; the caller may empty it. */
  readonly received: Uint8Array[]
  /** Sends an IP packet, or a frame, into the device; it is copied. */
  send(packet: Uint8Array): void
  /** Calls `handler` with each packet from now on instead of collecting it in `received`; without a handler, collects again. */
  onPacket(handler?: (packet: Uint8Array) => void): void
}
