// A process that dies anywhere in the middle of ADD, DEL or GC: the next one finds its way, and nothing leaks.
import fc from 'fast-check'
import { IpPrefix } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { createCni, JournaledStore, PoolIpam, type Attachment, type Cni, type NodeAddressPair, type NodeTranslator } from '../src/index.js'
import { call } from './support/calls.js'
import { FakeEndpoints } from './support/fake-endpoints.js'

const never = new Promise<never>(() => undefined)

/** What outlives a process: the disk and the dataplane. */
class Machine {
  disk = new Map<string, unknown>()
  readonly endpoints = new FakeEndpoints()
  /** What the kernel translates: `device node endpoint`. */
  readonly translated = new Set<string>()
  #left = Infinity
  #died = never as Promise<void>

  /** @param nodeAddress whether endpoints have addresses on the node too */
  constructor(readonly nodeAddress: boolean) {}

  /** A new process, which dies at its `steps`-th contact with disk or dataplane: even ones before they have an effect, odd ones behind it. */
  async boot(steps = Infinity): Promise<{ cni: Promise<Cni>; died: Promise<void> }> {
    let die: () => void = () => undefined
    this.#died = new Promise((resolve) => (die = resolve))
    this.#left = steps
    const step = async (): Promise<void> => {
      if (this.#left-- > 0) return
      die()
      await never
    }
    // The endpoints of this process: those of a dead one must not act any more.
    const endpoints = new FakeEndpoints()
    Object.defineProperty(endpoints, 'all', { value: this.endpoints.all })
    const acting = {
      list: () => endpoints.list(),
      find: (what: Parameters<FakeEndpoints['find']>[0]) => endpoints.find(what),
      add: async (request: Parameters<FakeEndpoints['add']>[0]) => {
        await step()
        const view = await endpoints.add(request)
        await step()
        return view
      },
      remove: async (place: Parameters<FakeEndpoints['remove']>[0]) => {
        await step()
        await endpoints.remove(place)
        await step()
      },
    }
    const store = new JournaledStore(new Map(this.disk), {
      write: async (changes) => {
        await step()
        for (const [key, value] of changes) {
          if (value === undefined) this.disk.delete(key)
          else this.disk.set(key, value)
        }
        await step()
      },
      close: async () => undefined,
    })
    const textOf = ({ device, node, endpoint }: NodeAddressPair): string => `${device} ${node} ${endpoint}`
    const translator: NodeTranslator = {
      replace: async (pairs) => {
        await step()
        this.translated.clear()
        for (const pair of pairs) this.translated.add(textOf(pair))
      },
      add: async (pairs) => {
        await step()
        for (const pair of pairs) this.translated.add(textOf(pair))
        await step()
      },
      remove: async (pairs) => {
        await step()
        for (const pair of pairs) this.translated.delete(textOf(pair))
        await step()
      },
    }
    const pools = [{ prefix: IpPrefix.parse('10.0.0.0/28') }, { prefix: IpPrefix.parse('fd00::/120') }]
    const cni = createCni({
      networks: [{ name: 'red', vrf: 'red', pools, nodeAddress: this.nodeAddress }],
      nodeAddresses: { translator },
      ipam: new PoolIpam({ store, quarantine: 0 }),
      endpoints: acting,
      store,
    })
    return { cni, died: this.#died }
  }

  /** Whether everything that there is belongs together, and nothing to nobody. */
  consistent(): void {
    const keys = [...this.disk.keys()]
    const records = keys.filter((key) => key.startsWith('attachment/')).map((key) => key.slice('attachment/'.length))
    const owners = keys.filter((key) => key.startsWith('lease/')).map((key) => (this.disk.get(key) as { owner: string }).owner)
    const places = this.places().map((name) => `pods/${name}/eth0`)
    expect(new Set(owners)).toEqual(new Set(records))
    expect(owners).toHaveLength(records.length * (this.nodeAddress ? 4 : 2))
    expect(places.toSorted()).toEqual(records.toSorted())
    const pairs = records.flatMap((key) => this.#pairsOf(this.disk.get(`attachment/${key}`) as Attachment))
    expect([...this.translated].toSorted()).toEqual(pairs.toSorted())
    expect(this.endpoints.list().some(({ ifname }) => ifname === 'hdnode1')).toBe(this.nodeAddress && records.length > 0)
  }

  /** Containers that are attached. */
  places(): string[] {
    return this.endpoints
      .list()
      .filter(({ ifname }) => ifname === 'eth0')
      .map(({ netns }) => netns.slice(1))
  }

  /** What is left when nothing is attached, besides the number of a network's block. */
  leftovers(): readonly string[] {
    return [...this.disk.keys(), ...this.endpoints.all.keys(), ...this.translated].filter((key) => key !== 'node-network/red')
  }

  #pairsOf({ addresses, nodeAddresses = [] }: Attachment): string[] {
    return nodeAddresses.map((node) => `hdnode1 ${node} ${addresses.find((one) => one.includes(':') === node.includes(':'))}`)
  }
}

type Verb = 'ADD' | 'DEL' | 'GC'
const options = (id: string): object => ({ id, netns: `/${id}`, config: { 'cni.dev/valid-attachments': [] } })

async function perform(machine: Machine, verb: Verb, id: string, steps: number): Promise<'died' | number> {
  const { cni, died } = await machine.boot(steps)
  const work = cni.then(async (one) => (await call(one, verb, options(id))).exitCode)
  return Promise.race([work, died.then(() => 'died' as const)])
}

describe.each([false, true])('a process that dies (node addresses: %s)', (nodeAddress) => {
  it.each<Verb>(['ADD', 'DEL', 'GC'])('at any step of %s leaves what the next one brings to its end', async (verb) => {
    for (let steps = 0; ; steps++) {
      const machine = new Machine(nodeAddress)
      if (verb !== 'ADD') await perform(machine, 'ADD', 'a', Infinity)
      // The new process claims what is attached with two contacts; the verb begins behind them.
      const outcome = await perform(machine, verb, 'a', steps)
      await (
        await machine.boot()
      ).cni
      machine.consistent()
      expect(await perform(machine, 'DEL', 'a', Infinity)).toBe(0)
      expect(machine.leftovers()).toEqual([])
      expect(await perform(machine, 'ADD', 'a', Infinity)).toBe(0)
      machine.consistent()
      expect(await perform(machine, 'DEL', 'a', Infinity)).toBe(0)
      expect(machine.leftovers()).toEqual([])
      if (outcome !== 'died') {
        expect(steps).toBeGreaterThan(6)
        return
      }
    }
  })

  it('anywhere in any sequence loses no endpoint that was attached, and no address', async () => {
    const action = fc.record({
      verb: fc.constantFrom<Verb>('ADD', 'ADD', 'DEL', 'GC'),
      id: fc.constantFrom('a', 'b', 'c'),
      steps: fc.option(fc.nat(nodeAddress ? 26 : 14), { nil: Infinity }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 14 }), async (actions) => {
        const machine = new Machine(nodeAddress)
        const attached = new Set<string>()
        for (const { verb, id, steps } of actions) {
          const outcome = await perform(machine, verb, id, steps)
          if (outcome === 0 && verb === 'ADD') attached.add(id)
          else if (verb === 'GC') attached.clear()
          else if (verb === 'DEL' || outcome === 'died') attached.delete(id)
          await (
            await machine.boot()
          ).cni
          machine.consistent()
          const there = machine.places()
          for (const one of attached) expect(there).toContain(one)
        }
        await perform(machine, 'GC', 'a', Infinity)
        expect(machine.leftovers()).toEqual([])
      }),
      { numRuns: 150 },
    )
  })
})
