import { IpAddress } from '@heddle/wire'
import type { Store } from '../store/store.js'

/** Who has an address, or had it: with `until` it is in quarantine up to that time of day, in milliseconds. */
export interface Lease {
  readonly owner: string
  readonly until?: number
}

const PREFIX = 'lease/'

/** The leases of a store, indexed by virtual network, address and owner. */
export class LeaseTable {
  readonly #store: Store
  readonly #spaces = new Map<string, Map<string, Lease>>()
  /** Addresses that are held, not those in quarantine. */
  readonly #held = new Map<string, Map<string, IpAddress[]>>()
  readonly #waiting = new Map<string, Map<string, Lease>>()

  constructor(store: Store) {
    this.#store = store
    for (const [key, value] of store.entries(PREFIX)) {
      const [, space = '', address = ''] = /^lease\/([^/]+)\/(.+)$/.exec(key) ?? []
      this.#put(space, IpAddress.parse(address), value as Lease)
    }
  }

  get(space: string, address: IpAddress): Lease | undefined {
    return this.#spaces.get(space)?.get(String(address))
  }

  entries(space: string): readonly (readonly [IpAddress, Lease])[] {
    return Array.from(this.#spaces.get(space) ?? [], ([text, lease]) => [IpAddress.parse(text), lease] as const)
  }

  /** What an owner holds. */
  of(space: string, owner: string): readonly IpAddress[] {
    return this.#held.get(space)?.get(owner) ?? []
  }

  owners(): readonly { readonly space: string; readonly owner: string }[] {
    return [...this.#held].flatMap(([space, owners]) => Array.from(owners.keys(), (owner) => ({ space, owner })))
  }

  /** Leases in quarantine, as a rule the oldest first. */
  waiting(space: string): Iterable<readonly [string, Lease]> {
    return this.#waiting.get(space) ?? []
  }

  /**
   * Takes changes at once and resolves when they outlive the process; the attachment that they belong to is recorded after them. `undefined` ends a lease.
   *
   * @throws StoreError; then nothing has changed
   */
  async commit(space: string, changes: readonly (readonly [IpAddress, Lease | undefined])[]): Promise<void> {
    const before = changes.map(([address]) => [address, this.get(space, address)] as const)
    for (const [address, lease] of changes) this.#put(space, address, lease)
    try {
      await this.#store.commit(
        changes.map(([address, value]) => ({ key: keyOf(space, address), value })),
        'process',
      )
    } catch (error) {
      // Somebody may have taken meanwhile what was given back: then it stays theirs.
      const undone = before.filter(([address], index) => this.get(space, address) === changes[index][1])
      for (const [address, lease] of undone) this.#put(space, address, lease)
      // Shown to the store as well; it lasts with the next commit that succeeds.
      await this.#store.commit(undone.map(([address, value]) => ({ key: keyOf(space, address), value }))).catch(() => undefined)
      throw error
    }
  }

  #put(space: string, address: IpAddress, lease: Lease | undefined): void {
    const leases = this.#spaces.get(space) ?? new Map<string, Lease>()
    const owners = this.#held.get(space) ?? new Map<string, IpAddress[]>()
    this.#spaces.set(space, leases)
    this.#held.set(space, owners)
    const waiting = this.#waiting.get(space) ?? new Map<string, Lease>()
    this.#waiting.set(space, waiting)
    const text = String(address)
    waiting.delete(text)
    if (lease?.until !== undefined) waiting.set(text, lease)
    const before = leases.get(text)
    if (before !== undefined && before.until === undefined) {
      const rest = (owners.get(before.owner) ?? []).filter((other) => !other.equals(address))
      if (rest.length === 0) owners.delete(before.owner)
      else owners.set(before.owner, rest)
    }
    if (lease === undefined) leases.delete(text)
    else leases.set(text, lease)
    if (lease !== undefined && lease.until === undefined) owners.set(lease.owner, [...(owners.get(lease.owner) ?? []), address])
  }
}

function keyOf(space: string, address: IpAddress): string {
  return `${PREFIX}${space}/${address}`
}
