import { SERVICE_PROTOCOLS, type DataplaneState, type PortObject, type RateLimits } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'
import type { Seen } from './seen.js'

/** A flow that a port's policies allowed, by its first packet. */
export interface Flow {
  readonly port: number
  readonly opener: Seen
  readonly isOut: boolean
}

/** Both ends of a packet, in its direction. */
export interface Ends {
  readonly source: IpAddress
  readonly sourcePort: number
  readonly destination: IpAddress
  readonly destinationPort: number
}

/** A flow that a service sent to a backend, or a pool hid: its first packet as it came, and as it went on. */
export interface Translation {
  readonly by: 'service' | 'pool'
  readonly id: number
  /** The VRF that the packet came from. */
  readonly vrf: number
  /** The one that replies come to: of a service the same. */
  readonly backVrf: number
  readonly protocol: number
  readonly from: Ends
  readonly to: Ends
}

/** How the parts of a datagram are translated. */
export interface TranslatedDatagram {
  /** Where it was translated: a VRF or a pool. */
  readonly zone: string
  readonly datagram: string
  readonly translation: Translation
  readonly isReply: boolean
}

/** What a dataplane remembers of the packets before, in the order in which it learned it. A value: what is learned is in another one. */
export class Memory {
  readonly flows: readonly Flow[] = []
  readonly fragments: readonly { readonly port: number; readonly name: string }[] = []
  readonly translations: readonly Translation[] = []
  readonly datagrams: readonly TranslatedDatagram[] = []
  readonly ports: readonly PortObject[] = []
  readonly affinities: readonly { readonly service: number; readonly client: string; readonly backend: string }[] = []

  /** Whether a choice was made that did not show, among more than can be followed: what comes of it cannot be told. */
  readonly isUnsure: boolean = false

  /** What limits have let through since they were set. */
  readonly passed: readonly { readonly port: number; readonly direction: keyof RateLimits; readonly octets: number }[] = []

  /** The same but for `learned`. */
  with(learned: Partial<Memory>): Memory {
    return Object.assign(new Memory(), this, learned)
  }

  /** What tells it from others with the same tables. */
  toJSON(): Partial<Memory> {
    const { ports: _tables, ...rest } = this
    return Object.fromEntries(Object.entries(rest).filter(([, found]) => (typeof found === 'boolean' ? found : found.length > 0)))
  }

  /**
   * What is left with new tables: limits that changed begin anew, flows of ports without policies, or whose endpoint lost an address or moved, are
   * forgotten, those of services, backends or pools that are gone end.
   */
  keep({ ports, policies = [], services = [], natPools = [] }: DataplaneState): Memory {
    const isKept = ({ port }: { readonly port: number }): boolean =>
      ports.some((now) => now.id === port && this.#isSameEndpoint(now)) && policies.some((policy) => policy.port === port)
    const translations = this.translations.filter(({ by, id: of, vrf, backVrf, protocol, from, to }) => {
      if (by === 'pool') {
        const pool = natPools.find(({ id }) => id === of)
        const isInRange = pool !== undefined && pool.ports.first <= to.sourcePort && to.sourcePort <= pool.ports.last
        return isInRange && pool.vrf === vrf && pool.outside === backVrf && pool.address.equals(to.source)
      }
      const object = services.find(({ id }) => id === of)
      if (object?.vrf !== vrf || SERVICE_PROTOCOLS[object.protocol] !== protocol) return false
      const isThere = object.address.equals(from.destination) && object.port === from.destinationPort
      return isThere && object.backends.some(({ address, port }) => address.equals(to.destination) && port === to.destinationPort)
    })
    const passed = this.passed.filter(({ port, direction }) => {
      const [before, after] = [this.ports, ports].map((list) => list.find(({ id }) => id === port)?.rateLimits?.[direction])
      return before?.bitsPerSecond === after?.bitsPerSecond && before?.burstOctets === after?.burstOctets
    })
    const [flows, fragments] = [this.flows.filter(isKept), this.fragments.filter(isKept)]
    return this.with({ flows, fragments, translations, passed, datagrams: [], ports })
  }

  #isSameEndpoint(now: PortObject): boolean {
    const before = this.ports.find(({ id }) => id === now.id)
    if (before === undefined || before.vrf !== now.vrf) return false
    // No sources: any.
    if (before.allowedSources.length === 0 || now.allowedSources.length === 0) return now.allowedSources.length === 0
    return before.allowedSources.every(({ address, length }) =>
      now.allowedSources.some((prefix) => prefix.length <= length && prefix.contains(address)),
    )
  }
}
