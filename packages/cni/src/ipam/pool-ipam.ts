import { IpAddress, IpPrefix, type IpFamily } from '@heddle/wire'
import { CniError } from '../protocol/cni-error.js'
import { CNI_CODES } from '../protocol/codes.js'
import { SerialByKey } from '../server/serial-by-key.js'
import type { Store } from '../store/store.js'
import type { BlockRegistry } from './block-registry.js'
import { ClaimedBlocks } from './claimed-blocks.js'
import { LeaseTable, type Lease } from './lease-table.js'
import { poolsOf, type Pool, type PoolDefinition } from './pool.js'

/** How addresses are given out. */
export interface PoolIpamOptions {
  readonly store: Store
  /** Where this node's blocks of pools are written down that it shares with others; without it such a pool is refused. */
  readonly blocks?: BlockRegistry
  /** Milliseconds for which an address that was given back is not given to somebody else; default 60,000. */
  readonly quarantine?: number
  /** Rather refuse than give out an address in quarantine when no other is left; default false. */
  readonly strict?: boolean
  /** The time of day in milliseconds; default `Date.now`. Quarantine outlives the process. */
  readonly now?: () => number
}

/** A virtual network, as far as addresses go. */
export interface AddressSpace {
  readonly name: string
  readonly pools: readonly PoolDefinition[]
}

/** Who asks, and for what. */
export interface AllocationRequest {
  /** Who gets them: the same owner gets the same again. */
  readonly owner: string
  /** Addresses that it must be; the families that are not among them are chosen. */
  readonly wanted?: readonly IpAddress[]
  /** Whether somebody has it of whom the leases know nothing. */
  readonly isInUse?: (address: IpAddress) => boolean
}

/** An address with the pool that it is from. */
export interface Allocation {
  readonly address: IpAddress
  readonly pool: PoolDefinition
}

/** How much of a virtual network's addresses is left. */
export interface PoolUsage {
  readonly family: IpFamily
  /** Addresses that this node may give out. */
  readonly total: bigint
  readonly used: number
  readonly quarantined: number
}

/** Default of `quarantine`, milliseconds: longer than a packet, an ARP entry or a resolver's answer lives. */
const QUARANTINE = 60_000

/**
 * Gives out the addresses of virtual networks from pools: one of each family that has pools. Two virtual networks may have the same addresses.
 *
 * Decisions are made at once and in order; what resolves later is that they last.
 */
export class PoolIpam {
  readonly #leases: LeaseTable
  /** By virtual network, with what they were made of: the object for a quick look, its text since another one may say the same. */
  readonly #pools = new Map<
    string,
    { readonly definitions: readonly PoolDefinition[]; readonly text: string; readonly pools: readonly Pool[] }
  >()
  readonly #blocks: ClaimedBlocks | undefined
  /** Allocations of a virtual network whose blocks are claimed: what one makes room for is not another's. */
  readonly #serial = new SerialByKey()
  readonly #quarantine: number
  readonly #strict: boolean
  readonly #now: () => number

  constructor({ store, blocks, quarantine = QUARANTINE, strict = false, now = Date.now }: PoolIpamOptions) {
    this.#leases = new LeaseTable(store)
    this.#blocks = blocks === undefined ? undefined : new ClaimedBlocks(blocks)
    this.#quarantine = quarantine
    this.#strict = strict
    this.#now = now
  }

  /**
   * Leases addresses, IPv4 first.
   *
   * @throws CniError 102 when no address is free or a wanted one is taken, 11 when one will be free in a while, 7 when a wanted one is in no pool
   */
  async allocate(space: AddressSpace, request: AllocationRequest): Promise<readonly Allocation[]> {
    if (!space.pools.some(isClaimed)) return this.#allocate(space, request)
    return this.#serial.run(space.name, async () => {
      await this.#makeRoom(space, request)
      return this.#allocate(space, request)
    })
  }

  async #allocate(space: AddressSpace, { owner, wanted = [], isInUse = () => false }: AllocationRequest): Promise<readonly Allocation[]> {
    const pools = this.#poolsOf(space)
    const held = this.#leases.of(space.name, owner)
    if (held.length > 0 && wanted.every((address) => held.some((other) => other.equals(address)))) return byFamily(pools, held)
    const chosen: IpAddress[] = []
    for (const address of wanted) chosen.push(this.#claim(space.name, pools, owner, address, isInUse))
    for (const family of [4, 6] as const) {
      if (chosen.some((address) => address.family === family)) continue
      const ours = pools.filter(({ definition }) => definition.prefix.family === family)
      if (ours.length > 0) chosen.push(this.#choose(space.name, family, ours, isInUse))
    }
    if (chosen.length === 0)
      throw new CniError(CNI_CODES.invalidConfiguration, `the virtual network ${space.name} has no pool of addresses`)
    await this.#leases.commit(
      space.name,
      chosen.map((address) => [address, { owner }]),
    )
    return byFamily(pools, chosen)
  }

  /** Gives back what an owner has, and returns it. Idempotent. */
  async release(space: string, owner: string): Promise<readonly IpAddress[]> {
    const held = this.#leases.of(space, owner)
    if (held.length === 0) return []
    const until = this.#now() + this.#quarantine
    const lease: Lease | undefined = this.#quarantine > 0 ? { owner, until } : undefined
    await this.#leases.commit(space, [...held.map((address) => [address, lease] as const), ...this.#outlived(space)])
    const known = this.#pools.get(space)
    if (known !== undefined)
      await this.#blocks?.shrink({ name: space, pools: known.definitions }, (block) =>
        this.#leases.entries(space).some(([one]) => block.contains(one)),
      )
    return held
  }

  /** Claims blocks until each family that is to be chosen has a free address, or there is no block. */
  async #makeRoom(space: AddressSpace, { owner, wanted = [], isInUse = () => false }: AllocationRequest): Promise<void> {
    const blocks = this.#blocks
    if (blocks === undefined)
      throw new CniError(CNI_CODES.invalidConfiguration, `${space.name} has a pool in blocks, and nobody knows which are this node's`)
    await blocks.load(space)
    if (this.#leases.of(space.name, owner).length > 0) return
    for (const family of [4, 6] as const) {
      if (wanted.some((address) => address.family === family)) continue
      const hasRoom = (): boolean =>
        this.#poolsOf(space).some(
          (pool) =>
            pool.definition.prefix.family === family && pool.peek((address) => this.#isFree(space.name, address) && !isInUse(address)),
        )
      while (!hasRoom() && (await blocks.grow(space, family, hasRoom)));
    }
  }

  addressesOf(space: string, owner: string): readonly IpAddress[] {
    return this.#leases.of(space, owner)
  }

  /** Owners that have addresses, with the virtual network of these. */
  owners(): readonly { readonly space: string; readonly owner: string }[] {
    return this.#leases.owners()
  }

  usage(space: AddressSpace): readonly PoolUsage[] {
    const pools = this.#poolsOf(space)
    const leases = this.#leases.entries(space.name)
    return ([4, 6] as const).flatMap((family) => {
      const ours = pools.filter(({ definition }) => definition.prefix.family === family)
      const here = leases.filter(([address]) => ours.some((pool) => pool.has(address)))
      const quarantined = here.filter(([, lease]) => lease.until !== undefined && this.#isQuarantined(lease)).length
      const used = here.filter(([, lease]) => lease.until === undefined).length
      return ours.length === 0 ? [] : [{ family, total: ours.reduce((sum, { size }) => sum + size, 0n), used, quarantined }]
    })
  }

  /** What an address that can be had next would be refused with; `undefined` when it would not. */
  exhaustion(space: AddressSpace): CniError | undefined {
    for (const { family, total, used, quarantined } of this.usage(space)) {
      if (this.#blocks?.canGrow(space, family) === true) continue
      if (total - BigInt(used) - BigInt(this.#strict ? quarantined : 0) <= 0n) return exhausted(space.name, family, this.#poolsOf(space))
    }
    return undefined
  }

  #choose(space: string, family: IpFamily, pools: readonly Pool[], isInUse: (address: IpAddress) => boolean): IpAddress {
    for (const pool of pools) {
      const address = pool.next((candidate) => this.#isFree(space, candidate) && !isInUse(candidate))
      if (address !== undefined) return address
    }
    const waiting = this.#leases
      .entries(space)
      .filter(([address, lease]) => lease.until !== undefined && pools.some((pool) => pool.has(address)) && !isInUse(address))
      .sort(([, a], [, b]) => (a.until ?? 0) - (b.until ?? 0))
    if (waiting.length === 0) throw exhausted(space, family, pools)
    const [address, { until = 0 }] = waiting[0]
    if (!this.#strict) return address
    const seconds = Math.ceil((until - this.#now()) / 1000)
    throw new CniError(
      CNI_CODES.tryAgain,
      `every IPv${family} address of ${space} is in use or in quarantine`,
      `one is free in ${seconds} s`,
    )
  }

  #claim(space: string, pools: readonly Pool[], owner: string, address: IpAddress, isInUse: (address: IpAddress) => boolean): IpAddress {
    if (!pools.some((pool) => pool.allows(address))) {
      const allowed = pools.map(({ definition }) => String(definition.prefix)).join(', ')
      throw new CniError(CNI_CODES.invalidConfiguration, `the address ${address} cannot be had in ${space}`, `its pools are ${allowed}`)
    }
    const lease = this.#leases.get(space, address)
    const isAnothers = lease !== undefined && lease.owner !== owner && (lease.until === undefined || this.#isQuarantined(lease))
    if (isAnothers && lease.until === undefined) {
      throw new CniError(CNI_CODES.addresses, `the address ${address} of ${space} is taken`, `by ${lease.owner}`)
    }
    if (isAnothers && this.#strict) throw new CniError(CNI_CODES.tryAgain, `the address ${address} of ${space} is in quarantine`)
    if (isInUse(address)) throw new CniError(CNI_CODES.addresses, `the address ${address} of ${space} is in use by an endpoint`)
    return address
  }

  #isFree(space: string, address: IpAddress): boolean {
    const lease = this.#leases.get(space, address)
    return lease === undefined || (lease.until !== undefined && !this.#isQuarantined(lease))
  }

  /** A clock that was set back must not keep an address for longer than the quarantine. */
  #isQuarantined({ until = 0 }: Lease): boolean {
    const left = until - this.#now()
    return left > 0 && left <= this.#quarantine
  }

  /** Quarantines of a space that are over. */
  #outlived(space: string): readonly (readonly [IpAddress, undefined])[] {
    const over: (readonly [IpAddress, undefined])[] = []
    for (const [text, lease] of this.#leases.waiting(space)) {
      if (this.#isQuarantined(lease)) break // those behind it came later
      over.push([IpAddress.parse(text), undefined])
    }
    return over
  }

  #poolsOf(space: AddressSpace): readonly Pool[] {
    const { name, pools: definitions } = space
    const known = this.#pools.get(name)
    const claimed = definitions.some(isClaimed) ? this.#blocks?.poolsOf(space) : undefined
    if (known?.definitions === definitions && claimed === undefined) return known.pools
    const text = JSON.stringify(claimed ?? definitions)
    const pools = known?.text === text ? known.pools : poolsOf(claimed ?? definitions)
    this.#pools.set(name, { definitions, text, pools })
    return pools
  }
}

/** Whether its blocks are claimed when they are needed. */
function isClaimed({ block }: PoolDefinition): boolean {
  return block !== undefined && block.indices === undefined
}

function byFamily(pools: readonly Pool[], addresses: readonly IpAddress[]): readonly Allocation[] {
  return [...addresses]
    .sort((a, b) => a.family - b.family)
    .map((address) => {
      const pool = pools.find(({ definition }) => definition.prefix.contains(address))
      return { address, pool: pool?.definition ?? hostPool(address) }
    })
}

/** Of an address whose pool went away after it was given out. */
function hostPool(address: IpAddress): PoolDefinition {
  return { prefix: IpPrefix.of(address) }
}

function exhausted(space: string, family: IpFamily, pools: readonly Pool[]): CniError {
  const ours = pools.filter(({ definition }) => definition.prefix.family === family)
  const total = ours.reduce((sum, { size }) => sum + size, 0n)
  const names = ours.map(({ definition }) => String(definition.prefix)).join(', ')
  return new CniError(
    CNI_CODES.addresses,
    `no IPv${family} address of ${space} is free`,
    `all ${total} that this node has of ${names} are taken`,
  )
}
