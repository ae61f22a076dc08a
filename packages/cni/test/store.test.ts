import fc from 'fast-check'
import { existsSync } from 'node:fs'
import { appendFile, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { appendLogStore } from '../src/node/append-log-store.js'
import { sqliteStore } from '../src/node/sqlite-store.js'
import { JournaledStore } from '../src/store/journaled-store.js'
import { memoryStore } from '../src/store/memory-store.js'
import { StoreError, type Store, type StoreChange } from '../src/store/store.js'

let folder: string
let files = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-cni-store-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})
const fresh = (): string => join(folder, `store-${files++}`)

const hasSqlite = process.getBuiltinModule('node:sqlite') !== undefined
const kinds: { name: string; open: (path: string) => Promise<Store>; lasts: boolean; skip: boolean }[] = [
  { name: 'in memory', open: async () => memoryStore(), lasts: false, skip: false },
  { name: 'in an append log', open: async (path) => appendLogStore(path, { compactFrom: 600 }), lasts: true, skip: false },
  { name: `in SQLite${hasSqlite ? '' : ' (not run: this Node has no node:sqlite)'}`, open: sqliteStore, lasts: true, skip: !hasSqlite },
]

const key = fc.constantFrom('a/1', 'a/2', 'a/3', 'b/1', 'b/é"\\\n')
const change: fc.Arbitrary<StoreChange> = fc.record({ key, value: fc.option(fc.jsonValue({ maxDepth: 1 }), { nil: undefined }) })
const commits = fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 40 })

/** What a store must hold: the naive way. */
function model(all: readonly (readonly StoreChange[])[]): Record<string, unknown> {
  const state: Record<string, unknown> = {}
  for (const { key, value } of all.flat()) {
    delete state[key]
    if (value !== undefined) state[key] = JSON.parse(JSON.stringify(value))
  }
  return state
}

const contents = (store: Store): unknown => JSON.parse(JSON.stringify(Object.fromEntries(store.entries(''))))

describe('a journal that flushes', () => {
  it('does so once for all commits that wait, and only for those that shall outlive the machine', async () => {
    let [writes, flushes] = [0, 0]
    const journal = { write: async () => void writes++, flush: async () => void flushes++, close: async () => undefined }
    const store = new JournaledStore(new Map(), journal)
    await store.commit([{ key: 'a', value: 1 }], 'process')
    expect([writes, flushes]).toEqual([1, 0])
    await Promise.all(Array.from({ length: 20 }, async (_, n) => store.commit([{ key: `b${n}`, value: n }])))
    expect(writes).toBeLessThan(5)
    expect(flushes).toBeLessThan(5)
    expect(flushes).toBeGreaterThan(0)
  })

  it('writes everything again when the system could not keep it', async () => {
    const written: string[][] = []
    let fails = true
    const store = new JournaledStore(new Map([['old', 0]]), {
      write: async (changes) => void written.push([...changes.keys()]),
      flush: async () => {
        if (fails) throw new RangeError('EIO')
      },
      close: async () => undefined,
    })
    await expect(store.commit([{ key: 'new', value: 1 }])).rejects.toMatchObject({ code: 'store.write' })
    fails = false
    await store.commit([{ key: 'next', value: 2 }])
    expect(written).toEqual([['new'], ['old', 'new', 'next']])
  })
})

describe.each(kinds)('a store $name', ({ open, lasts, skip }) => {
  it.skipIf(skip)('holds what was committed, and holds it when it is opened again', async () => {
    await fc.assert(
      fc.asyncProperty(commits, fc.boolean(), async (all, together) => {
        const path = fresh()
        const store = await open(path)
        if (together) await Promise.all(all.map(async (changes) => store.commit(changes)))
        else for (const changes of all) await store.commit(changes)
        expect(contents(store)).toEqual(model(all))
        for (const [name, value] of store.entries('a/')) expect([name.startsWith('a/'), store.get(name)]).toEqual([true, value])
        await store.close()
        if (!lasts) return
        const again = await open(path)
        expect(contents(again)).toEqual(model(all))
        await again.close()
      }),
      { numRuns: 15 },
    )
  })

  it.skipIf(skip)('shows a change at once, lists keys in order, and refuses changes when it is closed', async () => {
    const store = await open(fresh())
    const done = store.commit([
      { key: 'x/2', value: 2 },
      { key: 'x/1', value: 1 },
    ])
    expect(store.entries('x/')).toEqual([
      ['x/1', 1],
      ['x/2', 2],
    ])
    await done
    await store.close()
    await store.close()
    await expect(store.commit([])).rejects.toMatchObject({ code: 'store.closed' })
  })
})

describe('the claim of an append log', () => {
  it('keeps another one out, whatever name leads there, until it is closed or could not be read', async () => {
    const path = fresh()
    const store = await appendLogStore(path)
    await symlink(folder, `${folder}-link`)
    for (const name of [path, path.replace(folder, `${folder}-link`)]) {
      await expect(appendLogStore(name)).rejects.toMatchObject({ code: 'store.in-use', message: expect.stringContaining(name) as string })
    }
    await store.close()
    await rm(`${folder}-link`)
    await writeFile(path, `x\n${await readFile(path, 'utf8')}2c81e3d0 []\n`)
    for (let times = 0; times < 2; times++) {
      const again = await appendLogStore(path).catch((error: unknown) => error)
      if (!(again instanceof StoreError)) await (again as Store).close()
      else expect(again.code).not.toBe('store.in-use')
    }
  })
})

describe('an append log', () => {
  it('is a state that once was after any number of its octets, and can be written on', async () => {
    const path = fresh()
    const states: unknown[] = [{}]
    const store = await appendLogStore(path)
    for (let n = 0; n < 6; n++) {
      await store.commit([{ key: `k${n % 3}`, value: { n } }, { key: `d${n}`, value: n }, { key: `d${n - 1}` }])
      states.push(contents(store))
    }
    await store.close()
    const whole = await readFile(path)
    for (let length = 0; length <= whole.length; length++) {
      const cut = fresh()
      await writeFile(cut, whole.subarray(0, length))
      const recovered = await appendLogStore(cut)
      expect(states).toContainEqual(contents(recovered))
      if (length % 7 === 0) {
        await recovered.commit([{ key: 'new', value: true }])
        await recovered.close()
        const again = await appendLogStore(cut)
        expect(again.get('new')).toBe(true)
        await again.close()
      } else await recovered.close()
    }
  })

  it('cuts off rubbish behind its last record, and refuses what is damaged before it', async () => {
    const path = fresh()
    const store = await appendLogStore(path)
    await store.commit([{ key: 'a', value: 1 }])
    await store.commit([{ key: 'b', value: 2 }])
    await store.close()
    await appendFile(path, new Uint8Array(600))
    const recovered = await appendLogStore(path)
    expect(contents(recovered)).toEqual({ a: 1, b: 2 })
    await recovered.close()
    const bytes = await readFile(path)
    bytes[12] ^= 1
    await writeFile(path, bytes)
    await expect(appendLogStore(path)).rejects.toMatchObject({
      code: 'store.corrupt',
      message: expect.stringContaining('octet 0') as string,
    })
  })

  it('is written anew when most of it is history, and leaves nothing beside it', async () => {
    const path = fresh()
    const store = await appendLogStore(path, { compactFrom: 2_000 })
    for (let n = 0; n < 300; n++) await store.commit([{ key: 'same', value: 'x'.repeat(40) + n }])
    await store.close()
    expect((await stat(path)).size).toBeLessThan(2_200)
    expect(existsSync(`${path}.new`)).toBe(false)
    const again = await appendLogStore(path)
    expect(again.get('same')).toBe('x'.repeat(40) + 299)
    await again.close()
  })

  it('names the file that it cannot have', async () => {
    await writeFile(join(folder, 'file'), '')
    await expect(appendLogStore(join(folder, 'file', 'x'))).rejects.toMatchObject({ name: 'StoreError', code: 'store.read' })
  })
})

describe('a store whose disk fails', () => {
  it('tells so, still shows the change, and lets everything last with the next commit that succeeds', async () => {
    const written = new Map<string, unknown>()
    let isBroken = false
    const store = new JournaledStore(new Map(), {
      async write(changes) {
        if (isBroken) throw new TypeError('disk full')
        for (const [name, value] of changes) written.set(name, value)
      },
      async close() {},
    })
    await store.commit([{ key: 'a', value: 1 }])
    isBroken = true
    const refused = store.commit([{ key: 'b', value: 2 }])
    await expect(refused).rejects.toBeInstanceOf(StoreError)
    expect([store.get('b'), written.has('b')]).toEqual([2, false])
    isBroken = false
    await store.commit([{ key: 'c', value: 3 }])
    expect(Object.fromEntries(written)).toEqual({ a: 1, b: 2, c: 3 })
  })
})
