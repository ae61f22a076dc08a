import { createServer, type Server, type Socket } from 'node:net'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { BmpStation, IPV6_UNICAST, type BmpItem, type LocalRoute, type Speaker } from '../../src/index.js'
import { isUp, vpn } from '../speaker/lab.js'
import { eventually } from './daemon.js'
import { speakAt, unicast } from './peering.js'

/* What tests of BMP and MRT with programs of others share: a speaker of ours, one more or a daemon beside it, and a station. */

export const STATION = '127.0.46.3'
export const PORT = 11_795
export const BMP_PORT = 11_796
export const FAMILIES = ['ipv4-unicast', 'ipv6-unicast', 'vpnv4-unicast'] as const

export const six = (prefix: string, nextHop: string): LocalRoute => ({
  family: IPV6_UNICAST,
  nlri: { kind: 'unicast', prefix: IpPrefix.parse(prefix) },
  nextHop: IpAddress.parse(nextHop),
  attributes: { communities: [0xfde8_0001] },
})
export const ROUTES = [
  unicast('198.51.100.0/24', '192.0.2.9', { med: 7, communities: [0xfde8_0002] }),
  unicast('203.0.113.0/25', '192.0.2.10', { asPath: [{ type: 'sequence', asns: [64_500, 4_200_000_000] }] }),
  six('2001:db8:1::/48', '2001:db8::9'),
  vpn('10.1.0.1/32', { label: 1001, nextHop: '192.0.2.9' }),
]

/** A station that accepts clients, and keeps what they send. */
export class Listener {
  readonly items: BmpItem[] = []
  #server: Server | undefined
  readonly #sockets = new Set<Socket>()

  async listen(): Promise<void> {
    this.#server = createServer((socket) => {
      const stream = new BmpStation()
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('data', (chunk) => {
        for (const item of stream.push(chunk)) {
          if ('error' in item) throw new TypeError(item.error.code)
          this.items.push(item)
        }
      })
    })
    await new Promise<void>((resolve) => this.#server?.listen(BMP_PORT, STATION, resolve))
  }

  /** Destinations that were announced of a peer, with what was wrong with their UPDATEs. */
  announced(): string[] {
    return this.items.flatMap(({ message, update }) => {
      if (message.type !== 'route-monitoring') return []
      if (update?.ok !== true || update.message.type !== 'update') return ['no update']
      const { announced } = update.message
      const flaws = update.errors.map(({ code }) => code).join(' ')
      return announced.flatMap(({ nlri }) => nlri.map((one) => ('prefix' in one ? `${String(one.prefix)}${flaws}` : one.kind)))
    })
  }

  /** What the UPDATEs of route monitoring say, and where they are flawed. */
  updates(): { announced: string[]; nextHop: string; flaws: string[] }[] {
    return this.items.flatMap(({ update }) => {
      if (update?.ok !== true || update.message.type !== 'update') return []
      const { announced, attributes } = update.message
      return {
        announced: announced.flatMap(({ nlri }) => nlri.map((one) => ('prefix' in one ? String(one.prefix) : one.kind))),
        nextHop: String(attributes.nextHop),
        flaws: update.errors.map(({ path }) => path),
      }
    })
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => (this.#server === undefined ? resolve(undefined) : this.#server.close(resolve)))
  }
}

/** Addresses of the two ends of a session, unlike those of any other test file: those run at the same time. */
export interface Addresses {
  readonly us: string
  readonly them: string
}

/** A speaker that connects to whoever is at the other address. */
export const near = ({ us, them }: Addresses, as = 65000): Speaker => speakAt(us, { address: them, port: PORT }, FAMILIES, { as })

/** A speaker that waits for the other one. */
export const far = ({ us, them }: Addresses): Speaker =>
  speakAt(them, { address: us, port: 179 }, FAMILIES, { passive: true }, { listen: [{ address: them, port: PORT }] })

/** What ends with a test, whatever came between: the last first. */
export class Ends {
  readonly #ends: (() => Promise<void>)[] = []

  add(end: () => Promise<void>): void {
    this.#ends.push(end)
  }

  /** Starts a speaker, and waits for its session where there is somebody to have one with. */
  async start(speaker: Speaker, waits = true): Promise<Speaker> {
    this.add(async () => speaker.stop())
    await speaker.start()
    const [{ address }] = speaker.neighbors()
    if (waits) await eventually('the session', () => isUp(speaker, address) || undefined)
    return speaker
  }

  async station(): Promise<Listener> {
    const station = new Listener()
    await station.listen()
    this.add(async () => station.close())
    return station
  }

  async run(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end()
  }
}
