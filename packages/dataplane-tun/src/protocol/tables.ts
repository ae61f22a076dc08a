import type { DataplaneState, DeviceRequest, FibTransaction, ObjectChanges, PathMtu } from '@heddle/core'
import { routesFrom } from './columns.js'
import { address, list, mac, number, prefix, record, text } from './json.js'
import { natPoolFrom, serviceFrom } from './service.js'
import { livenessFrom } from './liveness.js'
import { mirrorFrom, traceFrom } from './observe.js'
import { policyFrom } from './policy.js'
import { groupFrom, labelFrom, nextHopFrom, portFrom, tunnelSourcesFrom, vniFrom, vrfFrom } from './objects.js'

/** A transaction without its routes, which travel as columns. */
export function transactionHead(transaction: FibTransaction): unknown {
  return { ...transaction, routes: undefined }
}

/** @throws ProtocolError for anything that does not have a transaction's shape */
export function transactionFrom(json: unknown, columns: readonly Uint8Array[]): FibTransaction {
  const from = record(json, 'transaction')
  const changes = <T>(key: string, each: (item: unknown) => T): ObjectChanges<T> => {
    const both = record(from[key], key)
    return { set: list(both['set'], `${key}.set`, each), remove: list(both['remove'], `${key}.remove`, number) }
  }
  return {
    generation: number(from['generation'], 'generation'),
    vrfs: changes('vrfs', vrfFrom),
    ports: changes('ports', portFrom),
    nextHops: changes('nextHops', nextHopFrom),
    groups: changes('groups', groupFrom),
    tunnelSources: changes('tunnelSources', tunnelSourcesFrom),
    labels: changes('labels', labelFrom),
    vnis: changes('vnis', vniFrom),
    ...(from['policies'] === undefined ? {} : { policies: changes('policies', policyFrom) }),
    ...(from['services'] === undefined ? {} : { services: changes('services', serviceFrom) }),
    ...(from['liveness'] === undefined ? {} : { liveness: changes('liveness', livenessFrom) }),
    ...(from['natPools'] === undefined ? {} : { natPools: changes('natPools', natPoolFrom) }),
    ...(from['mirrors'] === undefined ? {} : { mirrors: changes('mirrors', mirrorFrom) }),
    ...(from['traces'] === undefined ? {} : { traces: changes('traces', traceFrom) }),
    routes: routesFrom(columns),
  }
}

/** A state without its routes, which travel as columns. */
export function stateHead(state: DataplaneState): unknown {
  return { ...state, routes: undefined }
}

/** @throws ProtocolError for anything that does not have a state's shape */
export function stateFrom(json: unknown, columns: readonly Uint8Array[]): DataplaneState {
  const from = record(json, 'state')
  return {
    generation: number(from['generation'], 'generation'),
    vrfs: list(from['vrfs'], 'vrfs', vrfFrom),
    ports: list(from['ports'], 'ports', portFrom),
    nextHops: list(from['nextHops'], 'nextHops', nextHopFrom),
    groups: list(from['groups'], 'groups', groupFrom),
    tunnelSources: list(from['tunnelSources'], 'tunnelSources', tunnelSourcesFrom),
    labels: list(from['labels'], 'labels', labelFrom),
    vnis: list(from['vnis'], 'vnis', vniFrom),
    ...(from['policies'] === undefined ? {} : { policies: list(from['policies'], 'policies', policyFrom) }),
    ...(from['services'] === undefined ? {} : { services: list(from['services'], 'services', serviceFrom) }),
    ...(from['liveness'] === undefined ? {} : { liveness: list(from['liveness'], 'liveness', livenessFrom) }),
    ...(from['up'] === undefined ? {} : { up: list(from['up'], 'up', number) }),
    ...(from['down'] === undefined ? {} : { down: list(from['down'], 'down', number) }),
    ...(from['natPools'] === undefined ? {} : { natPools: list(from['natPools'], 'natPools', natPoolFrom) }),
    ...(from['mirrors'] === undefined ? {} : { mirrors: list(from['mirrors'], 'mirrors', mirrorFrom) }),
    ...(from['traces'] === undefined ? {} : { traces: list(from['traces'], 'traces', traceFrom) }),
    ...(from['pathMtus'] === undefined ? {} : { pathMtus: list(from['pathMtus'], 'pathMtus', pathMtuFrom) }),
    routes: routesFrom(columns),
    devices: list(from['devices'], 'devices', deviceFrom),
  }
}

/** @throws ProtocolError for anything that does not have a device request's shape */
export function deviceRequestFrom(json: unknown): DeviceRequest {
  const from = record(json, 'device')
  return {
    ...(from['netns'] === undefined ? {} : { netns: text(from['netns'], 'device.netns') }),
    ifname: text(from['ifname'], 'device.ifname'),
    addresses: list(from['addresses'], 'device.addresses', address),
    mtu: number(from['mtu'], 'device.mtu'),
    ...(from['routes'] === undefined ? {} : { routes: list(from['routes'], 'device.routes', prefix) }),
  }
}

function pathMtuFrom(json: unknown): PathMtu {
  const from = record(json, 'path MTU')
  return { remote: address(from['remote'], 'pathMtu.remote'), mtu: number(from['mtu'], 'pathMtu.mtu') }
}

function deviceFrom(json: unknown): DataplaneState['devices'][number] {
  const from = record(json, 'device')
  return {
    ...deviceRequestFrom(json),
    port: number(from['port'], 'device.port'),
    ifindex: number(from['ifindex'], 'device.ifindex'),
    ...(from['mac'] === undefined ? {} : { mac: mac(from['mac'], 'device.mac') }),
  }
}
