import { link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlockRegistry, SharedPool } from '../ipam/block-registry.js'
import { StoreError } from '../store/store.js'

/**
 * Blocks as files of a folder that the nodes of a cluster share, as over NFS: each has the name of its node in it. A file gets its name together with
 * what it says, and only one can.
 *
 * @param node a name that no other node has
 * @throws StoreError `store.write`, by the methods
 */
export function folderBlocks(folder: string, node: string): BlockRegistry {
  const claims = async (pool: SharedPool): Promise<Map<number, string>> => {
    const place = placeOf(folder, pool)
    const names = await readdir(place).catch(() => [])
    const numbers = names.filter((name) => /^\d+$/.test(name)).map(Number)
    const owners = await Promise.all(numbers.map(async (index) => readFile(join(place, String(index)), 'utf8').catch(() => '')))
    return new Map(numbers.map((index, at) => [index, owners[at]]))
  }
  return {
    held: async (pool) =>
      translated(async () => Array.from(await claims(pool)).flatMap(([index, owner]) => (owner === node ? [index] : []))),
    claim: async (pool) =>
      translated(async () => {
        const place = placeOf(folder, pool)
        const draft = join(place, `.${encodeURIComponent(node)}`)
        await mkdir(place, { recursive: true })
        await writeFile(draft, node)
        try {
          const taken = await claims(pool)
          const count = 2 ** (pool.length - pool.prefix.length)
          for (let index = 0; index < count; index++) {
            if (!taken.has(index) && (await isFirst(draft, join(place, String(index))))) return index
          }
          return undefined
        } finally {
          await rm(draft, { force: true })
        }
      }),
    release: async (pool, index) =>
      translated(async () => {
        const file = join(placeOf(folder, pool), String(index))
        if ((await readFile(file, 'utf8').catch(() => '')) === node) await rm(file, { force: true })
      }),
  }
}

function placeOf(folder: string, { space, prefix, length }: SharedPool): string {
  return join(folder, space, encodeURIComponent(`${prefix} in ${length}`))
}

async function isFirst(draft: string, file: string): Promise<boolean> {
  try {
    await link(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new StoreError('store.write', `blocks of addresses cannot be claimed: ${(cause as Error).message}`, { cause })
  }
}
