import { dropReasonIndex, PORT_COUNTERS, type CounterSnapshot } from '@heddle/core'
import type { Logger } from '@heddle/io'
import { checksumDrops, linkDrops, LinuxError, socketDrops, socketNumber } from '@heddle/linux'
import type { PortDevice } from './ports.js'
import type { Receiver } from './underlay.js'

/** How long what was read is good for, milliseconds: it costs a thread in every namespace. */
const LIFETIME = 500

/** What the kernel alone saw go, since sockets and devices were made if nothing else is said. */
export interface KernelDropCounts {
  /** At sockets of the underlay. */
  readonly sockets: number
  /** UDP datagrams with a wrong checksum since the forwarder began. */
  readonly checksums: number
  /** At devices of ports, those that are gone included. */
  readonly devices: number
  /** Of them, by port. */
  readonly ports: ReadonlyMap<number, number>
}

/** What a forwarder that succeeds another one has to know to count on. */
export interface SavedKernelDrops {
  /** Wrong checksums that the namespace had when the first of them began; left out when that is not known. */
  readonly checksums?: number
  /** Drops that devices told, by port and index. */
  readonly devices: readonly (readonly [device: string, told: { readonly port: number; readonly drops: number }])[]
}

/** Reads the kernel's counters of what it drops before this forwarder sees it, or after. */
export class KernelDrops {
  readonly #netns: string | undefined
  readonly #logger: Logger
  /** Numbers of the sockets. */
  readonly #sockets: readonly number[]
  #socketDrops = 0
  /** What the namespace had at first, and has. */
  #checksums: { readonly first: number; readonly last: number } | undefined
  /** By port and index of the device; what a device said last stays when it is gone. */
  readonly #devices = new Map<string, { readonly port: number; readonly drops: number }>()
  #last: { readonly at: number; readonly counts: Promise<KernelDropCounts> } | undefined

  constructor(
    receivers: readonly Receiver[],
    { underlayNetns, logger }: { readonly underlayNetns?: string | undefined; readonly logger: Logger },
  ) {
    this.#netns = underlayNetns
    this.#logger = logger
    this.#sockets = receivers.map(({ socket }) => socketNumber(socket.fd))
  }

  /** From now on wrong checksums count. */
  begin(): Promise<void> {
    return this.#readChecksums()
  }

  save(): SavedKernelDrops {
    return { ...(this.#checksums !== undefined && { checksums: this.#checksums.first }), devices: [...this.#devices] }
  }

  /** Counts on from where another forwarder with these sockets and devices was. */
  load({ checksums: first, devices }: SavedKernelDrops): void {
    if (first !== undefined) this.#checksums = { first, last: this.#checksums?.last ?? first }
    for (const [device, told] of devices) this.#devices.set(device, told)
    this.#last = undefined
  }

  /** What was read last, or what is read now if that is old. */
  read(devices: readonly PortDevice[]): Promise<KernelDropCounts> {
    const now = performance.now()
    if (this.#last === undefined || now - this.#last.at >= LIFETIME) this.#last = { at: now, counts: this.#read(devices) }
    return this.#last.counts
  }

  async #read(devices: readonly PortDevice[]): Promise<KernelDropCounts> {
    const namespaces = new Set(devices.map(({ netns }) => netns))
    await Promise.all([this.#readSockets(), this.#readChecksums(), ...Array.from(namespaces, (netns) => this.#readLinks(netns, devices))])
    const ports = new Map<number, number>()
    for (const { port, drops } of this.#devices.values()) ports.set(port, (ports.get(port) ?? 0) + drops)
    const checksums = this.#checksums === undefined ? 0 : this.#checksums.last - this.#checksums.first
    return { sockets: this.#socketDrops, checksums, devices: [...ports.values()].reduce((sum, drops) => sum + drops, 0), ports }
  }

  async #readSockets(): Promise<void> {
    const found = await this.#unlessGone(() => socketDrops(this.#netns))
    if (found !== undefined) this.#socketDrops = this.#sockets.reduce((sum, number) => sum + (found.get(number) ?? 0), 0)
  }

  async #readChecksums(): Promise<void> {
    const last = await this.#unlessGone(() => checksumDrops(this.#netns))
    if (last !== undefined) this.#checksums = { first: this.#checksums?.first ?? last, last }
  }

  async #readLinks(netns: string | undefined, devices: readonly PortDevice[]): Promise<void> {
    const links = await this.#unlessGone(() => linkDrops(netns))
    for (const { port, ifname, ifindex, netns: own } of devices) {
      const found = own === netns ? links?.get(ifname) : undefined
      if (found !== undefined) this.#devices.set(`${port} ${ifindex}`, { port, drops: found.received + found.sent })
    }
  }

  async #unlessGone<T>(read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      this.#logger.debug('Counters of the kernel cannot be read', { reason: error.message })
      return undefined
    }
  }
}

/** What lanes counted, and what the kernel did. */
export function withKernelDrops(counted: CounterSnapshot, { sockets, checksums, devices, ports }: KernelDropCounts): CounterSnapshot {
  const drops = counted.drops.slice()
  drops[dropReasonIndex('kernel-socket')] += sockets
  drops[dropReasonIndex('kernel-checksum')] += checksums
  drops[dropReasonIndex('kernel-device')] += devices
  const rows = counted.ports.slice()
  const column = PORT_COUNTERS.indexOf('drops')
  counted.portIds.forEach((port, row) => (rows[row * PORT_COUNTERS.length + column] += ports.get(port) ?? 0))
  return { ...counted, drops, ports: rows }
}
