import type { TraceFilter, TraceObject } from '@heddle/core'
import { readPrefix, writePrefix } from './prefix.js'
import { View } from './struct.js'
import { NONE, PREFIX } from './structs/address.js'
import { TRACE_FILTER } from './structs/observe.js'

/** Ends that the value of a trace has room for. */
export function endsOf({ filter }: TraceObject): number {
  return filter.ends?.length ?? 0
}

/** A trace as its value in the map. @param sequence packets that fitted it before */
export function encodeTrace({ id, filter }: TraceObject, sequence: number): Uint8Array {
  const { vrf = NONE, protocol = NONE, port = NONE, dropped, ends } = filter
  const view = new View(TRACE_FILTER)
    .set('is_there', 1)
    .set('trace', id)
    .set('vrf', vrf)
    .set('protocol', protocol)
    .set('port', port)
    .set('dropped', dropped === undefined ? NONE : Number(dropped))
    .set('end_count', ends?.length ?? NONE)
    .set('sequence', sequence)
  for (const [index, end] of (ends ?? []).entries()) writePrefix(view.element('ends', PREFIX, index), end)
  return view.bytes
}

/** The trace of a value; none when its place is free. */
export function decodeTrace(bytes: Uint8Array): { readonly trace: TraceObject; readonly sequence: number } | undefined {
  const view = new View(TRACE_FILTER, bytes)
  if (view.get('is_there') === 0) return undefined
  const said = (name: 'vrf' | 'protocol' | 'port'): TraceFilter => (view.get(name) === NONE ? {} : { [name]: view.get(name) })
  const [dropped, count] = [view.get('dropped'), view.get('end_count')]
  const ends = (): TraceFilter => ({
    ends: Array.from({ length: count }, (_, index) => readPrefix(view.element('ends', PREFIX, index))),
  })
  const filter: TraceFilter = {
    ...said('vrf'),
    ...(count === NONE ? {} : ends()),
    ...said('protocol'),
    ...said('port'),
    ...(dropped === NONE ? {} : { dropped: dropped === 1 }),
  }
  return { trace: { id: view.get('trace'), filter }, sequence: view.get('sequence') }
}
