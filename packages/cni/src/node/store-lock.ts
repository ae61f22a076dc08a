import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { realpath } from 'node:fs/promises'
import { createServer } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '../store/store.js'

/**
 * How long a claim may be held by what is about to let it go, milliseconds: a process that this one starts inherits the socket, and closes it when it runs its
 * program.
 */
const PATIENCE = 1000

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
  const name = `\0heddle-store-${createHash('sha256').update(place).digest('hex')}`
  for (const end = performance.now() + PATIENCE; ;) {
    try {
      server.listen(name)
      await once(server, 'listening')
      break
    } catch (cause) {
      if (performance.now() > end) throw new StoreError('store.in-use', `another process of this machine has the store ${path}`, { cause })
      await sleep(10)
    }
  }
  return async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    await closed
  }
}
