import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { realpath } from 'node:fs/promises'
import { createServer } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { StoreError } from '../store/store.js'

/** Ends a claim. */
export type Unlock = () => Promise<void>

/**
 * Claims a store for this process: two that write one would each undo what the other has written. The claim is an abstract socket (unix(7)), which the
 * kernel takes away with the process, however that ends; it is seen by processes of the same network namespace.
 *
 * @throws StoreError `store.in-use`
 */
export async function lockStore(path: string): Promise<Unlock> {
  const place = join(await realpath(dirname(path)), basename(path))
  const server = createServer((socket) => socket.destroy()).unref()
  server.listen(`\0heddle-store-${createHash('sha256').update(place).digest('hex')}`)
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new StoreError('store.in-use', `another process of this machine has the store ${path}`, { cause })
  }
  return async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    await closed
  }
}
