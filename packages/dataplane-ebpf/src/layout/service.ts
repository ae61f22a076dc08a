import { SERVICE_PROTOCOLS, type NatPoolObject, type ServiceBackend, type ServiceObject, type ServiceProtocol } from '@heddle/core'
import { addressOf, wordsOf } from './prefix.js'
import { View } from './struct.js'
import { BACKEND, NAT_POOL, POOL_KEY, SERVICE, SERVICE_KEY, VIRTUAL_KEY } from './structs/service.js'

/* Services and pools to values of maps and back; see `bpf/layout/service.h`. */

const WORDS = BACKEND.size / 4
const STATES = [undefined, 'ready', 'draining'] as const

/** Where a service stands. */
export function serviceKey({ vrf, address, protocol, port }: ServiceObject): Uint8Array {
  return new View(SERVICE_KEY)
    .set('vrf', vrf)
    .set('family', address.family)
    .setAddress('address', address)
    .set('protocol', SERVICE_PROTOCOLS[protocol])
    .set('port', port).bytes
}

/** Its virtual address. */
export function virtualKey({ vrf, address }: ServiceObject): Uint8Array {
  return new View(VIRTUAL_KEY).set('vrf', vrf).set('family', address.family).setAddress('address', address).bytes
}

/** @param backend place of its backends in their map */
export function encodeService({ id, backends, affinity = 0, natSide, seed }: ServiceObject, backend: number): Uint8Array {
  const weights = new Set(backends.filter(({ weight, state }) => weight > 0 && state !== 'draining').map(({ weight }) => weight))
  return new View(SERVICE)
    .setLarge('affinity', affinity)
    .set('id', id)
    .set('seed', seed)
    .set('hides', natSide === 'both' ? 1 : 0)
    .set('says_default', natSide === 'destination' ? 1 : 0)
    .set('backend', backend)
    .set('backend_count', backends.length)
    .set('is_even', weights.size <= 1 ? 1 : 0).bytes
}

/** A service, and where its backends are. */
export function decodeService(
  key: Uint8Array,
  value: Uint8Array,
): { readonly service: Omit<ServiceObject, 'backends'>; readonly backend: number; readonly count: number } {
  const [place, view] = [new View(SERVICE_KEY, key), new View(SERVICE, value)]
  const affinity = view.getLarge('affinity')
  const protocols = Object.keys(SERVICE_PROTOCOLS) as ServiceProtocol[]
  const natSide = view.get('hides') === 1 ? ('both' as const) : view.get('says_default') === 1 ? ('destination' as const) : undefined
  const service = {
    id: view.get('id'),
    vrf: place.get('vrf'),
    address: addressOf(place.get('family'), wordsOf(place, 'address')),
    protocol: protocols.find((name) => SERVICE_PROTOCOLS[name] === place.get('protocol')) as ServiceProtocol,
    port: place.get('port'),
    ...(affinity === 0 ? {} : { affinity }),
    ...(natSide === undefined ? {} : { natSide }),
    seed: view.get('seed'),
  }
  return { service, backend: view.get('backend'), count: view.get('backend_count') }
}

/** Writes backends into memory of as many. */
export function writeBackends(words: Uint32Array, backends: readonly ServiceBackend[]): void {
  for (const [index, { address, port, weight, state }] of backends.entries()) {
    backendAt(words, index).setAddress('address', address).set('port', port).set('weight', weight).set('state', STATES.indexOf(state))
  }
}

export function readBackends(words: Uint32Array, count: number, family: number): ServiceBackend[] {
  return Array.from({ length: count }, (_, index) => {
    const view = backendAt(words, index)
    const state = STATES[view.get('state')]
    const address = addressOf(family, wordsOf(view, 'address'))
    return { address, port: view.get('port'), weight: view.get('weight'), ...(state === undefined ? {} : { state }) }
  })
}

/** Between which VRFs a pool stands. */
export function poolKey({ vrf, outside, address: { family } }: NatPoolObject): Uint8Array {
  return new View(POOL_KEY).set('vrf', vrf).set('outside', outside).set('family', family).bytes
}

export function encodePool({ vrf, outside, address, ports: { first, last } }: NatPoolObject): Uint8Array {
  return new View(NAT_POOL)
    .set('vrf', vrf)
    .set('outside', outside)
    .set('family', address.family)
    .setAddress('address', address)
    .set('first', first)
    .set('last', last).bytes
}

export function decodePool(id: number, bytes: Uint8Array): NatPoolObject {
  const view = new View(NAT_POOL, bytes)
  const address = addressOf(view.get('family'), wordsOf(view, 'address'))
  return { id, vrf: view.get('vrf'), outside: view.get('outside'), address, ports: { first: view.get('first'), last: view.get('last') } }
}

function backendAt(words: Uint32Array, index: number): View<'address' | 'port' | 'weight' | 'state' | 'reserved'> {
  return new View(BACKEND, new Uint8Array(words.buffer, words.byteOffset + index * WORDS * 4, BACKEND.size))
}
