import fc from 'fast-check'
import { expect, it } from 'vitest'
import { BROADCAST, LinkAddress, LinkAddresses } from './link-addresses.js'

const PORTS = 8

function addresses(): { readonly memory: SharedArrayBuffer; readonly one: LinkAddresses; readonly other: LinkAddresses } {
  const memory = new SharedArrayBuffer(LinkAddresses.octets(PORTS))
  return { memory, one: new LinkAddresses(memory), other: new LinkAddresses(memory) }
}

function read(address: LinkAddress): readonly [number, number] {
  address.read()
  return [address.high, address.low]
}

/** Of each slot: 0 when it is free, negative when it was left, or a port and one. */
function ownersOf(memory: SharedArrayBuffer): number[] {
  return [...new Int32Array(memory)].filter((_, at) => at % 4 === 0)
}

it('is everybody’s until it is written, whoever reads it', () => {
  const { one, other } = addresses()
  const [here, there] = [one.of(7), other.of(7)]
  expect([read(here), read(there), read(new LinkAddress())]).toEqual(Array.from({ length: 3 }, () => [BROADCAST.high, BROADCAST.low]))
  here.write(0x0242, 0xac11_0002)
  expect(read(there)).toEqual([0x0242, 0xac11_0002])
  expect(read(other.of(8))).toEqual([BROADCAST.high, BROADCAST.low])
})

it('keeps what it last knew while another thread writes', () => {
  const { memory, one, other } = addresses()
  const there = other.of(3)
  one.of(3).write(1, 2)
  expect(read(there)).toEqual([1, 2])
  // A writer that was stopped between its first word and its last.
  const words = new Int32Array(memory)
  const slot = words.indexOf(4)
  words[slot + 1]++
  words[slot + 2] = 0x7777
  expect(read(there)).toEqual([1, 2])
})

const seed = Math.floor(Math.random() * 2 ** 31)
it(`tells the ports of any sequence apart, and forgets those that went (seed ${seed})`, () => {
  const port = fc.integer({ min: 0, max: 0x7ffffffe })
  const step = fc.record({ port: fc.oneof(fc.nat(20), port), high: fc.nat(0xffff), low: fc.nat(0xffff_ffff), goes: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { memory, one, other } = addresses()
      const known = new Map<number, readonly [number, number]>()
      for (const { port: id, high, low, goes } of steps) {
        if (goes || (known.size === PORTS && !known.has(id))) {
          one.forget(id)
          known.delete(id)
        } else {
          one.of(id).write(high, low)
          known.set(id, [high, low])
        }
        for (const [there, address] of known) expect(read(other.of(there))).toEqual(address)
        const owners = ownersOf(memory)
        // A slot that was left and ends a run is passed by every search, for nothing.
        expect(owners.filter((owner, at) => owner < 0 && owners[(at + 1) % owners.length] === 0)).toEqual([])
      }
      const copy = addresses().one
      copy.load(one.save())
      for (const [there, address] of known) expect(read(copy.of(there))).toEqual(address)
      expect(one.save()).toHaveLength(known.size)
    }),
    { seed },
  )
})

it('has slots where a search ends, however many ports came and went', () => {
  const [ports, known] = [4096, 1024]
  const memory = new SharedArrayBuffer(LinkAddresses.octets(ports))
  const one = new LinkAddresses(memory)
  for (let port = 0; port < 5 * ports; port++) {
    one.of(port).write(1, port)
    if (port >= known) one.forget(port - known)
  }
  expect(one.save()).toHaveLength(known)
  expect(ownersOf(memory).filter((owner) => owner === 0).length).toBeGreaterThan(ports)
})
