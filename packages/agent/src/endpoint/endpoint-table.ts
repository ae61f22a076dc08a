import type { EndpointRequest } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'
import { endpointName, type EndpointEntry } from './endpoint-entry.js'

/** The endpoints of a node, found by their place and by their addresses. */
export class EndpointTable {
  readonly #byName = new Map<string, EndpointEntry>()
  /** Of those that want one address of a VRF, the first had it first. */
  readonly #byAddress = new Map<string, EndpointEntry[]>()

  at(place: Pick<EndpointRequest, 'netns' | 'ifname'>): EndpointEntry | undefined {
    return this.#byName.get(endpointName(place))
  }

  withAddress(vrf: string, address: IpAddress): EndpointEntry | undefined {
    return this.#byAddress.get(addressKey(vrf, address))?.[0]
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
