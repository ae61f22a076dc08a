import { expect, it } from 'vitest'
import { RingReader, RingWriter, ringMemory } from './byte-ring.js'

/** Octets that say where in the stream they are. */
function stretch(start: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => ((start + at) * 31) >>> 3)
}

it('a ring carries what is longer than itself, in order, across its end', () => {
  const memory = ringMemory()
  let wakes = 0
  const writer = new RingWriter(memory, () => wakes++)
  const reader = new RingReader(memory, () => writer.proceed())
  expect(reader.take()).toHaveLength(0)
  const lengths = [1, 700_000, 0, 900_000, 3_000_001, 5]
  let sent = 0
  for (const length of lengths) {
    writer.write(stretch(sent, length))
    sent += length
  }
  let taken = 0
  while (taken < sent) {
    const octets = reader.take()
    expect(octets.length).toBeGreaterThan(0)
    expect(Buffer.compare(octets, stretch(taken, octets.length))).toBe(0)
    taken += octets.length
  }
  expect(taken).toBe(sent)
  expect(wakes).toBeGreaterThan(lengths.length)
})
