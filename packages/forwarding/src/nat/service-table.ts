import { SERVICE_PROTOCOLS, type ServiceBackend, type ServiceObject } from '@heddle/core'
import type { Tuple } from '../flow/tuple.js'

/** Services by VRF, address, protocol and port, found without making an object. */
export class ServiceTable {
  readonly #buckets = new Map<number, ServiceObject[]>()
  /** Hashes of (VRF, address) that have any service: fragments towards them must be known. */
  readonly #addresses = new Map<number, ServiceObject[]>()

  constructor(services: Iterable<ServiceObject>) {
    for (const service of services) {
      const { address, vrf, port, protocol } = service
      const words = [address.w0, address.w1, address.w2, address.w3]
      push(this.#buckets, hash(vrf, words, SERVICE_PROTOCOLS[protocol], port), service)
      push(this.#addresses, hash(vrf, words, 0, 0), service)
    }
  }

  find(vrf: number, { family, protocol, destination, destinationPort }: Tuple): ServiceObject | undefined {
    const bucket = this.#buckets.get(hash(vrf, destination, protocol, destinationPort))
    if (bucket === undefined) return undefined
    for (const service of bucket) {
      if (service.vrf !== vrf || service.port !== destinationPort || SERVICE_PROTOCOLS[service.protocol] !== protocol) continue
      if (isAddress(service, family, destination)) return service
    }
    return undefined
  }

  /** Whether the destination is the virtual address of some service. */
  isVirtual(vrf: number, { family, destination }: Tuple): boolean {
    const bucket = this.#addresses.get(hash(vrf, destination, 0, 0))
    if (bucket === undefined) return false
    for (const service of bucket) if (service.vrf === vrf && isAddress(service, family, destination)) return true
    return false
  }
}

/** Whether a service stands where it, or another one, stood before. */
export function isSamePlace(a: ServiceObject, b: ServiceObject): boolean {
  return a.vrf === b.vrf && a.protocol === b.protocol && a.port === b.port && a.address.equals(b.address)
}

/** Whether a flow of a service, told before and after translation, is still one: the service is where it was, and has the backend. */
export function isServed(service: ServiceObject, { from, to }: { readonly from: Tuple; readonly to: Tuple }): boolean {
  const isTheirs = isAddress(service, from.family, from.destination) && service.port === from.destinationPort
  return (
    isTheirs &&
    service.backends.some(({ address, port }) => port === to.destinationPort && isAddress({ address }, to.family, to.destination))
  )
}

/** What `chooseBackend` returns when no backend takes new flows. */
export const NO_BACKEND = -1

/**
 * Index of the backend for a new flow: weighted rendezvous hashing over those that are ready, so that one that comes or goes moves only its own share.
 *
 * @param key of the flow, or of the client alone
 */
export function chooseBackend({ backends, seed }: ServiceObject, key: number): number {
  let best = NO_BACKEND
  let bestScore = Number.NEGATIVE_INFINITY
  for (let index = 0; index < backends.length; index++) {
    const backend = backends[index]
    if (backend.weight <= 0 || backend.state === 'draining') continue
    const score = -backend.weight / Math.log((draw(key, seed, backend) + 1) / 4294967297)
    if (score <= bestScore) continue
    bestScore = score
    best = index
  }
  return best
}

/** What a backend draws depends on nothing but the flow and itself. */
function draw(key: number, seed: number, { address, port }: ServiceBackend): number {
  let h = Math.imul(key ^ seed, 0x9e3779b1)
  h = Math.imul(h ^ address.w0 ^ (h >>> 15), 0x85ebca6b)
  h = Math.imul(h ^ address.w1 ^ (address.w2 << 1) ^ (h >>> 13), 0xc2b2ae35)
  h = Math.imul(h ^ address.w3 ^ Math.imul(port, 0x27d4eb2f) ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

function isAddress({ address }: Pick<ServiceObject, 'address'>, family: 4 | 6, words: Uint32Array): boolean {
  return (
    address.family === family && address.w0 === words[0] && address.w1 === words[1] && address.w2 === words[2] && address.w3 === words[3]
  )
}

function hash(vrf: number, words: ArrayLike<number>, protocol: number, port: number): number {
  let h = Math.imul(vrf ^ Math.imul(protocol, 0x9e3779b1), 0x85ebca6b) ^ port
  for (let word = 0; word < 4; word++) h = Math.imul(h ^ words[word] ^ (h >>> 15), 0xc2b2ae35)
  return h | 0
}

function push(buckets: Map<number, ServiceObject[]>, key: number, service: ServiceObject): void {
  const bucket = buckets.get(key)
  if (bucket === undefined) buckets.set(key, [service])
  else bucket.push(service)
}
