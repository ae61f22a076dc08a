import { expect, it } from 'vitest'
import { pcapngWriter } from './pcapng.js'

/** The blocks of a capture, each checked for the length at both of its ends. */
function blocksOf(chunks: readonly Uint8Array[]): { type: number; body: DataView }[] {
  const bytes = Uint8Array.from(chunks.flatMap((chunk) => [...chunk]))
  const view = new DataView(bytes.buffer)
  const blocks: { type: number; body: DataView }[] = []
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint32(at + 4, true)
    expect(length % 4).toBe(0)
    expect(view.getUint32(at + length - 4, true)).toBe(length)
    blocks.push({ type: view.getUint32(at, true), body: new DataView(bytes.buffer, at + 8, length - 12) })
    at += length
  }
  return blocks
}

it('writes a section, its interfaces and packets of any length', () => {
  const chunks: Uint8Array[] = []
  const writer = pcapngWriter((chunk) => chunks.push(chunk))
  expect(writer.addInterface('underlay', 'ethernet')).toBe(0)
  expect(writer.addInterface('pod', 'raw')).toBe(1)
  const micros = 1_700_000_000_123_456
  for (let length = 0; length < 6; length++)
    writer.packet(1, micros + length, new Uint8Array(length).fill(0xee), length === 5 ? 'last' : undefined)

  const [section, first, second, ...packets] = blocksOf(chunks)
  expect([section.type, section.body.getUint32(0, true), section.body.getUint16(4, true)]).toEqual([0x0a0d0d0a, 0x1a2b3c4d, 1])
  expect([first.type, first.body.getUint16(0, true), second.body.getUint16(0, true)]).toEqual([1, 1, 101])
  expect(packets).toHaveLength(6)
  for (const [length, { type, body }] of packets.entries()) {
    expect([type, body.getUint32(0, true), body.getUint32(12, true), body.getUint32(16, true)]).toEqual([6, 1, length, length])
    expect(body.getUint32(4, true) * 0x1_0000_0000 + body.getUint32(8, true)).toBe(micros + length)
  }
})
