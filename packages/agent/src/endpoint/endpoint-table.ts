import type { EndpointRequest } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'
import { endpointName, type EndpointEntry } from './endpoint-entry.js'

/** The endpoints of a node, found by their place, addresses and ports. */
export class EndpointTable {
  readonly #byName = new Map<string, EndpointEntry>()
  /** Of those that want one address of a VRF, the first had it first. */
  readonly #byAddress = new Map<string, EndpointEntry[]>()
  readonly #byPort = new Map<number, EndpointEntry>()

  at(place: Pick<EndpointRequest, 'netns' | 'ifname'>): EndpointEntry | undefined {
    return this.#byName.get(endpointName(place))
  }

  withAddress(vrf: string, address: IpAddress): EndpointEntry | undefined {
    return this.#byAddress.get(addressKey(vrf, address))?.[0]
  }

  atPort(port: number): EndpointEntry | undefined {
    return this.#byPort.get(port)
  }

  /** Notes the port that the model gave an endpoint. */
  give(entry: EndpointEntry, port: number): void {
    entry.port = port
    this.#byPort.set(port, entry)
  }

  [Symbol.iterator](): Iterator<EndpointEntry> {
    return this.#byName.values()
  }

  /** Its place must be free. */
  add(entry: EndpointEntry): void {
    this.#byName.set(entry.name, entry)
    for (const key of keysOf(entry)) this.#byAddress.set(key, [...(this.#byAddress.get(key) ?? []), entry])
  }

  delete(entry: EndpointEntry): void {
    this.#byName.delete(entry.name)
    if (entry.port !== undefined && this.#byPort.get(entry.port) === entry) this.#byPort.delete(entry.port)
    for (const key of keysOf(entry)) {
      const rest = (this.#byAddress.get(key) ?? []).filter((other) => other !== entry)
      if (rest.length === 0) this.#byAddress.delete(key)
      else this.#byAddress.set(key, rest)
    }
  }
}

function keysOf({ request }: EndpointEntry): readonly string[] {
  return request.addresses.map((address) => addressKey(request.vrf, address))
}

function addressKey(vrf: string, address: IpAddress): string {
  return `${vrf} ${address}`
}
