import fc from 'fast-check'
import { Address4 } from 'ip-address'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { PoolIpam } from '../src/ipam/pool-ipam.js'
import type { PoolDefinition } from '../src/ipam/pool.js'
import { CniError } from '../src/protocol/cni-error.js'
import { JournaledStore } from '../src/store/journaled-store.js'
import { memoryStore } from '../src/store/memory-store.js'

const prefix = (text: string): IpPrefix => IpPrefix.parse(text)
const ip = (text: string): IpAddress => IpAddress.parse(text)
const pool = (text: string, more: Partial<PoolDefinition> = {}): PoolDefinition => ({ prefix: prefix(text), ...more })
const texts = (allocations: readonly { address: IpAddress }[]): string[] => allocations.map(({ address }) => String(address))

async function all(ipam: PoolIpam, space: { name: string; pools: readonly PoolDefinition[] }): Promise<string[]> {
  const found: string[] = []
  for (let n = 0; ; n++) {
    try {
      found.push(...texts(await ipam.allocate(space, { owner: `o${n}` })))
    } catch (error) {
      expect(error).toMatchObject({ code: 102 })
      return found
    }
  }
}

describe('pools', () => {
  it.each<[string, PoolDefinition, string[]]>([
    ['a /30 without network and broadcast', pool('10.0.0.0/30'), ['10.0.0.1', '10.0.0.2']],
    ['a /31 whole', pool('10.0.0.0/31'), ['10.0.0.0', '10.0.0.1']],
    ['a /32', pool('10.0.0.7/32'), ['10.0.0.7']],
    [
      'a part, without gateway and what is excluded',
      pool('10.0.0.0/24', { first: ip('10.0.0.4'), last: ip('10.0.0.9'), gateway: ip('10.0.0.5'), exclude: [prefix('10.0.0.6/31')] }),
      ['10.0.0.4', '10.0.0.8', '10.0.0.9'],
    ],
    [
      'two blocks, of which one begins with the network address',
      pool('10.0.0.0/28', { block: { length: 30, indices: [3, 0] } }),
      ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.12', '10.0.0.13', '10.0.0.14'],
    ],
    ['IPv6 without the anycast address', pool('fd00::/126'), ['fd00::1', 'fd00::2', 'fd00::3']],
    [
      'the end of all addresses',
      pool('ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127'),
      ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ],
  ])('give out %s', async (_name, definition, expected) => {
    const ipam = new PoolIpam({ store: memoryStore() })
    expect(await all(ipam, { name: 'red', pools: [definition] })).toEqual(expected)
    const [{ total, used }] = ipam.usage({ name: 'red', pools: [definition] })
    expect([total, used]).toEqual([BigInt(expected.length), expected.length])
  })

  it('give out one address of each family, IPv4 first, and the same to the same owner', async () => {
    const ipam = new PoolIpam({ store: memoryStore() })
    const red = { name: 'red', pools: [pool('fd00::/64'), pool('10.0.0.0/24'), pool('10.0.1.0/24')] }
    expect(texts(await ipam.allocate(red, { owner: 'a' }))).toEqual(['10.0.0.1', 'fd00::1'])
    expect(texts(await ipam.allocate(red, { owner: 'a' }))).toEqual(['10.0.0.1', 'fd00::1'])
    expect(texts(await ipam.allocate({ ...red, name: 'blue' }, { owner: 'b' }))).toEqual(['10.0.0.1', 'fd00::1'])
    expect(texts(await ipam.release('red', 'a').then((list) => list.map((address) => ({ address }))))).toEqual(['10.0.0.1', 'fd00::1'])
    expect(await ipam.release('red', 'a')).toEqual([])
  })

  it('give out an address that is asked for, anywhere in the pool, once', async () => {
    const ipam = new PoolIpam({ store: memoryStore() })
    const red = { name: 'red', pools: [pool('10.0.0.0/24', { block: { length: 28, indices: [1] } }), pool('fd00::/64')] }
    const wanted = [ip('10.0.0.200')]
    expect(texts(await ipam.allocate(red, { owner: 'a', wanted }))).toEqual(['10.0.0.200', 'fd00::1'])
    await expect(ipam.allocate(red, { owner: 'b', wanted })).rejects.toMatchObject({
      code: 102,
      message: 'the address 10.0.0.200 of red is taken',
      details: 'by a',
    })
    await expect(ipam.allocate(red, { owner: 'b', wanted: [ip('10.0.1.1')] })).rejects.toMatchObject({
      code: 7,
      details: 'its pools are 10.0.0.0/24, fd00::/64',
    })
    await expect(ipam.allocate(red, { owner: 'b', wanted: [ip('10.0.0.255')] })).rejects.toMatchObject({ code: 7 })
    await expect(ipam.allocate(red, { owner: 'b', wanted: [ip('10.0.0.9')], isInUse: () => true })).rejects.toMatchObject({ code: 102 })
    expect(ipam.addressesOf('red', 'b')).toEqual([])
    await ipam.release('red', 'a')
    expect(texts(await ipam.allocate(red, { owner: 'a', wanted }))).toContain('10.0.0.200')
  })

  it('pass over what an endpoint has of which no lease knows', async () => {
    const ipam = new PoolIpam({ store: memoryStore() })
    const isInUse = (address: IpAddress): boolean => String(address) === '10.0.0.1'
    expect(texts(await ipam.allocate({ name: 'red', pools: [pool('10.0.0.0/24')] }, { owner: 'a', isInUse }))).toEqual(['10.0.0.2'])
  })

  it.each<[string, PoolDefinition[], RegExp]>([
    ['none', [], /has no pool/],
    ['two that overlap', [pool('10.0.0.0/16'), pool('10.0.3.0/24')], /10\.0\.0\.0\/16 and 10\.0\.3\.0\/24 overlap/],
    ['a gateway outside', [pool('10.0.0.0/24', { gateway: ip('10.0.1.1') })], /gateway 10\.0\.1\.1 is not in the pool/],
    ['a block that there is not', [pool('10.0.0.0/24', { block: { length: 26, indices: [4] } })], /no block 4 of \/26/],
    ['blocks that do not fit', [pool('10.0.0.0/24', { block: { length: 16, indices: [0] } })], /allowed: 24–32/],
  ])('are refused: %s', async (_name, pools, message) => {
    const attempt = new PoolIpam({ store: memoryStore() }).allocate({ name: 'red', pools }, { owner: 'a' })
    await expect(attempt).rejects.toMatchObject({ name: 'CniError', code: 7, message: expect.stringMatching(message) as string })
  })

  it('say when a strict quarantine ends, and tell exhaustion before it is met', async () => {
    let now = 1_000_000
    const store = memoryStore()
    const red = { name: 'red', pools: [pool('10.0.0.0/30')] }
    const ipam = new PoolIpam({ store, strict: true, quarantine: 5_000, now: () => now })
    await ipam.allocate(red, { owner: 'a' })
    expect(ipam.exhaustion(red)).toBeUndefined()
    await ipam.allocate(red, { owner: 'b' })
    expect(ipam.exhaustion(red)).toMatchObject({ code: 102, details: 'all 2 that this node has of 10.0.0.0/30 are taken' })
    await ipam.release('red', 'a')
    now += 1_500
    await expect(ipam.allocate(red, { owner: 'c' })).rejects.toMatchObject({ code: 11, details: 'one is free in 4 s' })
    // The quarantine outlives the process, but not a clock that was set back.
    const next = new PoolIpam({ store, strict: true, quarantine: 5_000, now: () => now })
    await expect(next.allocate(red, { owner: 'c' })).rejects.toMatchObject({ code: 11 })
    now -= 900_000
    expect(texts(await next.allocate(red, { owner: 'c' }))).toEqual(['10.0.0.1'])
  })

  it('keep an address that could not be written from nobody, and one that could not be given back', async () => {
    let isBroken = false
    const store = new JournaledStore(new Map(), {
      write: async () => {
        if (isBroken) throw new TypeError('disk full')
      },
      close: async () => {},
    })
    const ipam = new PoolIpam({ store })
    const red = { name: 'red', pools: [pool('10.0.0.0/29')] }
    await ipam.allocate(red, { owner: 'a' })
    isBroken = true
    await expect(ipam.allocate(red, { owner: 'b' })).rejects.toMatchObject({ code: 'store.write' })
    await expect(ipam.release('red', 'a')).rejects.toMatchObject({ code: 'store.write' })
    expect([ipam.addressesOf('red', 'a').map(String), ipam.addressesOf('red', 'b')]).toEqual([['10.0.0.1'], []])
    expect(store.entries('lease/')).toEqual([['lease/red/10.0.0.1', { owner: 'a' }]])
  })
})

describe('any sequence of what owners ask', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ type: fc.constant('allocate' as const), owner: fc.nat(19) }) },
    { weight: 4, arbitrary: fc.record({ type: fc.constant('release' as const), owner: fc.nat(19) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('wait' as const), milliseconds: fc.nat(8_000) }) },
    { weight: 1, arbitrary: fc.constant({ type: 'restart' as const }) },
  )

  it.each([true, false])('gives each address to one owner, respects quarantine and starves nobody (strict: %s)', async (strict) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), fc.constantFrom(28, 29), async (steps, length) => {
        const space = { name: 'red', pools: [pool(`192.0.2.16/${length}`)] }
        // What the pool has, counted by another library.
        const range = new Address4(`192.0.2.16/${length}`)
        const [first, last] = [range.startAddressExclusive().bigInt(), range.endAddressExclusive().bigInt()]
        const every = Array.from({ length: Number(last - first) + 1 }, (_, n) => Address4.fromBigInt(first + BigInt(n)).correctForm())
        const holders = new Map<string, number>()
        const freed = new Map<string, number>()
        let now = 5_000_000
        const store = memoryStore()
        let ipam = new PoolIpam({ store, strict, quarantine: 5_000, now: () => now })
        for (const action of steps) {
          if (action.type === 'wait') now += action.milliseconds
          else if (action.type === 'restart') ipam = new PoolIpam({ store, strict, quarantine: 5_000, now: () => now })
          else if (action.type === 'release') {
            for (const address of await ipam.release('red', String(action.owner))) {
              expect(holders.get(String(address))).toBe(action.owner)
              holders.delete(String(address))
              freed.set(String(address), now)
            }
            expect([...holders.values()]).not.toContain(action.owner)
          } else {
            const isResting = (address: string): boolean => now - (freed.get(address) ?? -1e9) < 5_000
            const free = every.filter((address) => !holders.has(address))
            const ready = free.filter((address) => !isResting(address))
            try {
              const [address] = texts(await ipam.allocate(space, { owner: String(action.owner) }))
              if (holders.get(address) === action.owner) continue
              expect([...holders.values()]).not.toContain(action.owner)
              expect(free).toContain(address)
              if (ready.length > 0) expect(ready).toContain(address)
              else expect(strict).toBe(false)
              holders.set(address, action.owner)
            } catch (error) {
              if (!(error instanceof CniError)) throw error
              expect(error.code).toBe(free.length === 0 ? 102 : 11)
              expect(strict ? ready : free).toEqual([])
            }
          }
        }
        const [{ used, total }] = ipam.usage(space)
        expect([used, total]).toEqual([holders.size, BigInt(every.length)])
      }),
      { numRuns: 60 },
    )
  })

  it('of several nodes at once never gives an address of one block to two', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(7), { minLength: 2, maxLength: 8 }), async (indices) => {
        const seen = new Set<string>()
        for (const index of indices) {
          const ipam = new PoolIpam({ store: memoryStore() })
          for (const address of await all(ipam, {
            name: 'red',
            pools: [pool('10.9.0.0/25', { block: { length: 28, indices: [index] } })],
          })) {
            expect(seen.has(address)).toBe(false)
            seen.add(address)
          }
        }
      }),
      { numRuns: 10 },
    )
  })
})
