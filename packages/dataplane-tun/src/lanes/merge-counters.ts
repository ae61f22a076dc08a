import { DROP_REASONS, PORT_COUNTERS, TABLE_COUNTERS, type CounterRows, type CounterSnapshot } from '@heddle/core'

/** Sums of what several lanes have counted. */
export function mergeCounters(snapshots: readonly CounterSnapshot[]): CounterSnapshot {
  const drops = new Float64Array(DROP_REASONS.length)
  for (const snapshot of snapshots) snapshot.drops.forEach((count, reason) => (drops[reason] += count))
  const ports = mergeRows(
    snapshots.map(({ portIds, ports: values }) => ({ ids: portIds, values })),
    PORT_COUNTERS.length,
  )
  const merged = { drops, portIds: ports.ids, ports: ports.values }
  const table = (name: 'vrfs' | 'labels' | 'nextHops'): CounterRows =>
    mergeRows(
      snapshots.flatMap((snapshot) => snapshot[name] ?? []),
      TABLE_COUNTERS.length,
    )
  return { ...merged, vrfs: table('vrfs'), labels: table('labels'), nextHops: table('nextHops') }
}

function mergeRows(tables: readonly CounterRows[], width: number): CounterRows {
  const rows = new Map<number, number>()
  for (const { ids } of tables) for (const id of ids) if (!rows.has(id)) rows.set(id, rows.size)
  const values = new Float64Array(rows.size * width)
  for (const table of tables) {
    table.ids.forEach((id, from) => {
      const to = rows.get(id) ?? 0
      for (let column = 0; column < width; column++) values[to * width + column] += table.values[from * width + column]
    })
  }
  return { ids: Uint32Array.from(rows.keys()), values }
}
