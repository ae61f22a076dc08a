import type { NatPoolObject, ServiceBackend, ServiceObject } from '@heddle/core'
import { address, list, number, record, text } from './json.js'

/* Services and NAT pools as they come out of JSON, as `objects.ts` reads the other tables. */

export function serviceFrom(json: unknown): ServiceObject {
  const from = record(json, 'service')
  return {
    id: number(from['id'], 'service.id'),
    vrf: number(from['vrf'], 'service.vrf'),
    address: address(from['address'], 'service.address'),
    protocol: text(from['protocol'], 'service.protocol') as ServiceObject['protocol'],
    port: number(from['port'], 'service.port'),
    backends: list(from['backends'], 'service.backends', backendFrom),
    ...(from['affinity'] === undefined ? {} : { affinity: number(from['affinity'], 'service.affinity') }),
    ...(from['natSide'] === undefined
      ? {}
      : { natSide: text(from['natSide'], 'service.natSide') as NonNullable<ServiceObject['natSide']> }),
    seed: number(from['seed'], 'service.seed'),
  }
}

export function natPoolFrom(json: unknown): NatPoolObject {
  const from = record(json, 'nat-pool')
  const ports = record(from['ports'], 'nat-pool.ports')
  return {
    id: number(from['id'], 'nat-pool.id'),
    vrf: number(from['vrf'], 'nat-pool.vrf'),
    outside: number(from['outside'], 'nat-pool.outside'),
    address: address(from['address'], 'nat-pool.address'),
    ports: { first: number(ports['first'], 'nat-pool.ports.first'), last: number(ports['last'], 'nat-pool.ports.last') },
  }
}

function backendFrom(json: unknown, what: string): ServiceBackend {
  const from = record(json, what)
  return {
    address: address(from['address'], `${what}.address`),
    port: number(from['port'], `${what}.port`),
    weight: number(from['weight'], `${what}.weight`),
    ...(from['state'] === undefined ? {} : { state: text(from['state'], `${what}.state`) as NonNullable<ServiceBackend['state']> }),
  }
}
