import type { Clock } from '@heddle/io'
import type { MemoryUnderlay, UnderlayFrame } from './memory-underlay.js'
import { pcapngWriter } from './pcapng.js'

const ETHERNET = 14

/**
 * Captures an underlay as pcapng: each frame that was delivered, behind an Ethernet header whose MAC addresses are made from the underlay
 * addresses, so that label stacks on Ethernet show as well.
 *
 * @param sink gets the file in chunks
 * @param clock times the packets; its start counts as the epoch
 * @returns stops the capture
 */
export function captureUnderlay(underlay: MemoryUnderlay, sink: (chunk: Uint8Array) => void, clock: Pick<Clock, 'now'>): () => void {
  const writer = pcapngWriter(sink)
  const link = writer.addInterface('underlay', 'ethernet')
  return underlay.observe((frame, fate) => {
    if (fate === 'delivered') writer.packet(link, Math.floor(clock.now() * 1000), ethernetFrame(frame))
  })
}

function ethernetFrame({ payload, source, destination, bytes }: UnderlayFrame): Uint8Array {
  const frame = new Uint8Array(ETHERNET + bytes.length)
  const view = new DataView(frame.buffer)
  for (const [at, address] of [
    [0, destination],
    [6, source],
  ] as const) {
    view.setUint16(at, 0x0200)
    view.setUint32(at + 2, address.family === 4 ? address.w0 : address.w3)
  }
  view.setUint16(12, payload === 'mpls' ? 0x8847 : bytes[0] >>> 4 === 4 ? 0x0800 : 0x86dd)
  frame.set(bytes, ETHERNET)
  return frame
}
