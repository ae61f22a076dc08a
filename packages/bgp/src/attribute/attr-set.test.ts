import { ByteWriter } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { decodeMessage } from '../decode.js'

/* An UPDATE of 198.51.100.0/24 whose ATTR_SET (RFC 6368) is of AS 65000 and has these octets as attributes. */

const hex = (text: string): number[] => (text.replace(/\s/g, '').match(/../g) ?? []).map((octet) => Number.parseInt(octet, 16))

function update(inner: readonly number[]): Uint8Array {
  const out = new ByteWriter()
  for (let at = 0; at < 16; at++) out.u8(0xff)
  const close = out.reserveU16()
  out.u8(2).u16(0)
  const closeAttributes = out.reserveU16()
  out.octets(Uint8Array.from(hex('40010100 400200 400304c0000209')))
  out.octets(Uint8Array.of(0xd0, 128)).u16(4 + inner.length)
  out.u32(65_000).octets(Uint8Array.from(inner))
  closeAttributes()
  out.octets(Uint8Array.from(hex('18c63364')))
  const bytes = out.finish()
  close()
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  view.setUint16(16, bytes.length)
  return bytes
}

/** What stands before `length` octets that are the attributes of another ATTR_SET. */
const head = (length: number): number[] => [...hex('d080'), (length + 4) >> 8, (length + 4) & 0xff, 0, 0, 0, 7]
/** `inner` as the attributes of another ATTR_SET. */
const within = (inner: readonly number[]): number[] => [...head(inner.length), ...inner]

const read = (inner: readonly number[]) => {
  const result = decodeMessage(update(inner), { peerType: 'ibgp' })
  if (!result.ok || result.message.type !== 'update') return expect.unreachable('not even an UPDATE')
  return { set: result.message.attributes.attrSet, errors: result.errors.map(({ code, handling }) => `${code}: ${handling}`) }
}

describe('ATTR_SET', () => {
  it('has attributes with AS numbers of four octets, whatever the session has, and unknown ones octet for octet', () => {
    const inner = hex('400101 02 4002 06 0201 00011170 e0c8 01 05')
    const two = decodeMessage(update(inner), { peerType: 'ebgp', asn4: false })
    const set = two.ok && two.message.type === 'update' ? two.message.attributes.attrSet : undefined
    expect(set).toEqual({
      originAs: 65_000,
      attributes: {
        origin: 'incomplete',
        asPath: [{ type: 'sequence', asns: [70_000] }],
        unknown: [{ type: 200, flags: 0xe0, value: Uint8Array.of(5) }],
      },
    })
  })

  it('may be empty, and may be in another, but not in any number of them', () => {
    expect(read([])).toEqual({ set: { originAs: 65_000, attributes: {} }, errors: [] })
    const inner = hex('40010100')
    expect(read(within(within(inner)))).toMatchObject({
      set: { attributes: { attrSet: { originAs: 7, attributes: { attrSet: { attributes: { origin: 'igp' } } } } } },
      errors: [],
    })
    expect(read(within(within(within(inner))))).toEqual({ set: undefined, errors: ['bgp.attribute.attr-set.depth: treat-as-withdraw'] })
    const heads: number[][] = []
    for (let length = inner.length; length < 60_000; length += head(0).length) heads.push(head(length))
    expect(within(within(inner))).toEqual([...heads.slice(0, 2).reverse().flat(), ...inner])
    expect(read([...heads.reverse().flat(), ...inner]).errors).toEqual(['bgp.attribute.attr-set.depth: treat-as-withdraw'])
  })

  it.each([
    ['an attribute that is malformed', '40010105', 'bgp.attribute.origin'],
    ['one that is cut off', '40010100 4002', 'bgp.attribute.overrun'],
    ['one that is longer than the set', '400205', 'bgp.attribute.overrun'],
    ['the same one twice', '40010100 40010100', 'bgp.attribute.repeated'],
    ['routes', '800f03 000101', 'bgp.attribute.attr-set.nlri'],
    ['flags that its type cannot have', '80010100', 'bgp.attribute.flags'],
  ])('withdraws the route for %s', (_what, inner, code) => {
    expect(read(hex(inner))).toEqual({ set: undefined, errors: [`${code}: treat-as-withdraw`] })
  })
})
