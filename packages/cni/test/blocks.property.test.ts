// Nodes that share pools in blocks: no two have one block, no address is given out twice, and what is empty goes back.
import fc from 'fast-check'
import { IpPrefix } from '@heddle/wire'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { memoryStore, PoolIpam, type BlockRegistry, type Store } from '../src/index.js'
import { folderBlocks } from '../src/node/index.js'

const seed = Math.floor(Math.random() * 2 ** 31)
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-cni-blocks-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})
let folders = 0
const fresh = (): string => join(folder, `blocks-${folders++}`)

/** 16 addresses in four blocks, of which the first has three that can be given out and the last one too; and as many of IPv6. */
const space = (name: string) => ({
  name,
  pools: [
    { prefix: IpPrefix.parse('10.0.0.0/28'), block: { length: 30 } },
    { prefix: IpPrefix.parse('fd00::/124'), block: { length: 126 } },
  ],
})

const NODES = 3
const step = fc.record({
  kind: fc.constantFrom('add', 'add', 'release'),
  node: fc.nat(NODES - 1),
  space: fc.constantFrom('red', 'blue'),
  owner: fc.nat(5),
})
/** What happens at once, and a node whose process dies behind that. */
const round = fc.record({ steps: fc.array(step, { minLength: 1, maxLength: 6 }), restarted: fc.option(fc.nat(NODES - 1)) })

describe('blocks in a folder', () => {
  it(`are one node's, and so are their addresses, whatever the nodes do at once (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(round, { maxLength: 12 }), async (rounds) => {
        const shared = fresh()
        const stores: Store[] = Array.from({ length: NODES }, () => memoryStore())
        const begin = (at: number): PoolIpam =>
          new PoolIpam({ store: stores[at], quarantine: 0, blocks: folderBlocks(shared, `node-${at}`) })
        const ipams = stores.map((_, at) => begin(at))
        for (const { steps, restarted } of rounds) {
          await Promise.all(
            steps.map(async ({ kind, node, space: name, owner }) => {
              if (kind === 'release') await ipams[node].release(name, `o${owner}`)
              else
                await ipams[node].allocate(space(name), { owner: `o${owner}` }).catch((error: unknown) => {
                  expect(error).toMatchObject({ code: 102 })
                })
            }),
          )
          if (restarted !== null) ipams[restarted] = begin(restarted)
          const leases = stores.flatMap((store, at) => store.entries('lease/').map(([key]) => ({ key, at })))
          expect(new Set(leases.map(({ key }) => key)).size).toBe(leases.length)
          for (const { key, at } of leases) {
            const [, name, text] = key.split('/')
            const pool = text.includes(':') ? { prefix: 'fd00::/124', length: 126 } : { prefix: '10.0.0.0/28', length: 30 }
            const registry = folderBlocks(shared, `node-${at}`)
            const held = await registry.held({ space: name, prefix: IpPrefix.parse(pool.prefix), length: pool.length })
            const last = Number.parseInt(text.split(/[.:]/).at(-1) || '0', text.includes(':') ? 16 : 10)
            expect(held).toContain(last >> 2)
          }
        }
      }),
      { numRuns: 20, seed, endOnFailure: true },
    )
  })

  it('are claimed one by one, all of them, and given back but for the last', async () => {
    const shared = fresh()
    const [one, other] = ['node-1', 'node-2'].map(
      (name) => new PoolIpam({ store: memoryStore(), quarantine: 0, blocks: folderBlocks(shared, name) }),
    )
    const red = { name: 'red', pools: [{ prefix: IpPrefix.parse('10.0.0.0/28'), block: { length: 30 } }] }
    const taken = async (): Promise<number> => (await readdir(join(shared, 'red', '10.0.0.0%2F28%20in%2030'))).length
    const add = async (ipam: PoolIpam, n: number): Promise<string> => String((await ipam.allocate(red, { owner: `o${n}` }))[0].address)
    expect([await add(one, 0), await add(other, 0), await add(one, 1)]).toEqual(['10.0.0.1', '10.0.0.4', '10.0.0.2'])
    expect(await taken()).toBe(2)
    for (let n = 2; n < 11; n++)
      await add(one, n) // 3 + 4 + 3, and no block is left for one more
        .catch((error: unknown) => expect([n, error]).toMatchObject([10, { code: 102 }]))
    expect(one.exhaustion(red)).toBeDefined()
    expect(other.exhaustion(red)).toBeUndefined()
    expect(await taken()).toBe(4)
    for (let n = 0; n < 10; n++) await one.release('red', `o${n}`)
    expect(await taken()).toBe(2)
    for (let n = 1; n < 9; n++) await add(other, n)
    expect(await taken()).toBe(4)
  })

  it('refuse a pool of which nobody says whose blocks are whose, and tell when the folder cannot be had', async () => {
    const none = new PoolIpam({ store: memoryStore() })
    await expect(none.allocate(space('red'), { owner: 'a' })).rejects.toMatchObject({ code: 7, message: /nobody knows/ })
    await writeFile(join(folder, 'file'), '')
    const lost: BlockRegistry = folderBlocks(join(folder, 'file'), 'node-1')
    const ipam = new PoolIpam({ store: memoryStore(), blocks: lost })
    await expect(ipam.allocate(space('red'), { owner: 'a' })).rejects.toMatchObject({ code: 'store.write' })
  })
})
