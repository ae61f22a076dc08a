import { JournaledStore } from './journaled-store.js'
import type { Store } from './store.js'

/** A store that ends with its process. */
export function memoryStore(): Store {
  return new JournaledStore(new Map(), { write: async () => undefined, close: async () => undefined })
}
