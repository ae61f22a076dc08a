import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { captureUnderlay, type MemoryUnderlay, type UnderlayFrame } from '@heddle/dataplane-memory'
import { nodeClock } from '@heddle/io/node'
import { decodeTunnelPacket } from '@heddle/mpls'
import { ByteReader, decodeIpv4Packet, decodeIpv6Packet, WireError } from '@heddle/wire'
import type { CaptureView } from '../lab.js'
import { tenantAddresses, type LabTopology } from '../topology.js'

/** What crosses the underlay in memory: written as pcapng, and taken apart by the codecs of `@heddle/mpls`. */
export class MemoryCapture {
  readonly #file: string
  readonly #descriptor: number
  readonly #stops: readonly (() => void)[]
  readonly #tenants: ReadonlySet<string>
  readonly #labels = new Map<string, { label: number; destination: string; packets: number }>()
  #packets = 0
  #dissected = 0
  #naked = 0
  #open = true

  constructor(underlay: MemoryUnderlay, topology: LabTopology, file: string) {
    this.#file = file
    this.#tenants = new Set(tenantAddresses(topology))
    mkdirSync(dirname(file), { recursive: true })
    this.#descriptor = openSync(file, 'w')
    this.#stops = [
      captureUnderlay(underlay, (chunk) => void writeSync(this.#descriptor, chunk), nodeClock),
      underlay.observe((frame, fate) => {
        if (fate === 'delivered') this.#see(frame)
      }),
    ]
  }

  read(): CaptureView {
    this.close()
    const labels = [...this.#labels.values()].toSorted((a, b) => a.destination.localeCompare(b.destination) || a.label - b.label)
    return { file: this.#file, packets: this.#packets, dissected: this.#dissected, labels, naked: this.#naked }
  }

  /** Ends the capture. Idempotent. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    for (const stop of this.#stops) stop()
    closeSync(this.#descriptor)
  }

  #see({ bytes, destination }: UnderlayFrame): void {
    this.#packets++
    try {
      const packet = decodeTunnelPacket(new ByteReader(bytes))
      if (packet.encapsulation !== 'mpls-udp' && packet.encapsulation !== 'mpls-udp-joint') return
      addressesOf(packet.payload) // throws unless an IP packet follows the stack
      this.#dissected++
      const label = packet.stack.at(-1)?.label ?? 0
      const key = `${label} ${destination}`
      const row = this.#labels.get(key) ?? { label, destination: String(destination), packets: 0 }
      row.packets++
      this.#labels.set(key, row)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      if (addressesOf(bytes).some((address) => this.#tenants.has(address))) this.#naked++
    }
  }
}

/** Source and destination of an IP packet. @throws WireError when it is none */
function addressesOf(bytes: Uint8Array): string[] {
  const input = new ByteReader(bytes)
  const { header } = bytes[0] >>> 4 === 6 ? decodeIpv6Packet(input) : { header: decodeIpv4Packet(input).header }
  return [String(header.source), String(header.destination)]
}
