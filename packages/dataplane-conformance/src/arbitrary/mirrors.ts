import type { MirrorObject, MirrorSink } from '@heddle/core'
import fc from 'fast-check'
import type { Surroundings } from './tables.js'

/** Draws up to three mirrors of `ports`, to streams and, where GRE is carried, to collectors: each has a collector and session of its own. */
export function arbitraryMirrors(
  ports: readonly number[],
  { encapsulations, underlays }: Surroundings,
): fc.Arbitrary<readonly MirrorObject[]> {
  const sources = fc
    .subarray([...ports])
    .chain((chosen) =>
      fc.tuple(...chosen.map((port) => fc.record({ port: fc.constant(port), direction: fc.constantFrom('ingress', 'egress', 'both') }))),
    )
  const sink = (id: number): fc.Arbitrary<MirrorSink> => {
    const stream = fc.constant<MirrorSink>({ type: 'stream' })
    if (!encapsulations.includes('mpls-gre')) return stream
    const erspan = fc
      .constantFrom(...underlays)
      .map(({ local, peers: [remote] }): MirrorSink => ({ type: 'erspan', local, remote, session: 1020 + id }))
    return fc.oneof(stream, erspan)
  }
  return fc
    .subarray([0, 1, 2])
    .chain((ids) => fc.tuple(...ids.map((id) => fc.record({ id: fc.constant(id), ports: sources, sink: sink(id) }))))
}
