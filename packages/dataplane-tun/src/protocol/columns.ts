import { RouteBatch, TABLE_COUNTERS, type CounterRows, type CounterSnapshot } from '@heddle/core'
import { ProtocolError } from './protocol-error.js'

/** How many columns a route batch takes in a frame: VRF, address, length, family, group. */
export const ROUTE_COLUMNS = 5

/** The rows of `batch` as columns, without a copy. */
export function routeColumns(batch: RouteBatch): Uint8Array[] {
  const { count } = batch
  return [
    octets(batch.vrf.subarray(0, count)),
    octets(batch.address.subarray(0, count * 4)),
    octets(batch.length.subarray(0, count)),
    octets(batch.family.subarray(0, count)),
    octets(batch.group.subarray(0, count)),
  ]
}

/** @throws ProtocolError unless the columns belong together */
export function routesFrom(columns: readonly Uint8Array[]): RouteBatch {
  const [vrf, address, length, family, group] = columns
  if (vrf === undefined || address === undefined || length === undefined || family === undefined || group === undefined) {
    throw new ProtocolError('protocol.message-malformed', `${columns.length} columns of routes; ${ROUTE_COLUMNS} are needed`)
  }
  const count = length.length
  if (vrf.length !== count * 4 || address.length !== count * 16 || family.length !== count || group.length !== count * 4) {
    throw new ProtocolError('protocol.message-malformed', 'the columns of routes differ in length')
  }
  const batch = new RouteBatch(0)
  batch.count = count
  batch.vrf = words(vrf)
  batch.address = words(address)
  batch.length = length.slice()
  batch.family = family.slice()
  batch.group = words(group)
  return batch
}

/** A counter snapshot as columns: drops, port ids, port rows; then ids and rows of VRFs, labels and next hops, where there are any. */
export function counterColumns(snapshot: CounterSnapshot): Uint8Array[] {
  const { drops, portIds, ports, vrfs, labels, nextHops } = snapshot
  const rows = vrfs === undefined || labels === undefined || nextHops === undefined ? [] : [vrfs, labels, nextHops]
  return [octets(drops), octets(portIds), octets(ports), ...rows.flatMap(({ ids, values }) => [octets(ids), octets(values)])]
}

/** @throws ProtocolError unless the columns are those of a snapshot */
export function countersFrom(columns: readonly Uint8Array[]): CounterSnapshot {
  const [drops, portIds, ports, ...rows] = columns
  if (drops === undefined || portIds === undefined || ports === undefined || drops.length % 8 || portIds.length % 4 || ports.length % 8) {
    throw new ProtocolError('protocol.message-malformed', 'the columns are not those of a counter snapshot')
  }
  const snapshot = { drops: numbers(drops), portIds: words(portIds), ports: numbers(ports) }
  const [vrfIds, vrfs, labelIds, labels, hopIds, hops] = rows
  if (rows.length === 0) return snapshot
  if (
    vrfIds === undefined ||
    vrfs === undefined ||
    labelIds === undefined ||
    labels === undefined ||
    hopIds === undefined ||
    hops === undefined
  ) {
    throw new ProtocolError('protocol.message-malformed', `${columns.length} columns are not those of a counter snapshot`)
  }
  return { ...snapshot, vrfs: rowsFrom(vrfIds, vrfs), labels: rowsFrom(labelIds, labels), nextHops: rowsFrom(hopIds, hops) }
}

function rowsFrom(ids: Uint8Array, values: Uint8Array): CounterRows {
  if (ids.length % 4 || values.length !== (ids.length / 4) * TABLE_COUNTERS.length * 8) {
    throw new ProtocolError('protocol.message-malformed', 'the columns of counters differ in length')
  }
  return { ids: words(ids), values: numbers(values) }
}

function numbers(column: Uint8Array): Float64Array {
  return new Float64Array(column.slice().buffer)
}

function octets(column: Uint8Array | Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength)
}

/** A column of words; copied, because a column in a frame lies at any octet. */
function words(column: Uint8Array): Uint32Array {
  return new Uint32Array(column.slice().buffer)
}
