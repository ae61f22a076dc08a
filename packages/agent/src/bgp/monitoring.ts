import { BmpClient, RtrClient, type BmpClientConfig, type OriginValidator, type RtrCacheConfig, type Speaker } from '@heddle/bgp'
import type { SpeakerNodeConfig } from '../config.js'
import type { World } from '../world.js'
import { namedChanges, type ConfigChange } from './config-change.js'

/** What runs beside the sessions of a speaker: where origins are learned from, and who is told what happens. */
export class Monitoring {
  readonly #world: World
  readonly #stations = new Map<string, { readonly text: string; readonly client: BmpClient }>()
  #rtr: RtrClient | undefined
  #speaker: Speaker | undefined
  #config: SpeakerNodeConfig

  constructor(config: SpeakerNodeConfig, world: World) {
    this.#config = config
    this.#world = world
    this.#rtr = this.#newRtr(config)
  }

  /** Origins are asked for on each route, so there is none where no cache is configured. */
  get originValidator(): OriginValidator | undefined {
    if ((this.#config.rtr ?? []).length === 0) return undefined
    return { validate: (prefix, origin) => this.#rtr?.validate(prefix, origin) ?? 'not-found' }
  }

  start(speaker: Speaker): void {
    this.#speaker = speaker
    this.#rtr?.start()
    this.#follow(this.#config)
  }

  /** What another configuration changes. */
  plan(config: SpeakerNodeConfig): ConfigChange[] {
    return [
      ...namedChanges('rtr', cachesOf(this.#config), cachesOf(config)),
      ...namedChanges('bmp', stationsOf(this.#config), stationsOf(config)),
    ]
  }

  /** Stations and caches that are the same stay connected. */
  reconfigure(config: SpeakerNodeConfig): void {
    const [before, after] = [cachesOf(this.#config), cachesOf(config)]
    this.#config = config
    if (JSON.stringify([...before]) !== JSON.stringify([...after])) {
      void this.#rtr?.stop()
      this.#rtr = this.#newRtr(config)
      this.#rtr?.start()
    }
    this.#follow(config)
  }

  async stop(): Promise<void> {
    const clients = [...this.#stations.values()].map(async ({ client }) => client.stop())
    this.#stations.clear()
    await Promise.all([...clients, this.#rtr?.stop()])
  }

  #newRtr({ rtr = [] }: SpeakerNodeConfig): RtrClient | undefined {
    if (rtr.length === 0) return undefined
    return new RtrClient({ ...this.#world, caches: rtr, changed: (prefixes) => this.#speaker?.originsChanged(prefixes) })
  }

  #follow(config: SpeakerNodeConfig): void {
    const speaker = this.#speaker
    if (speaker === undefined) return
    const wanted = stationsOf(config)
    for (const [name, { text, client }] of this.#stations) {
      if (wanted.get(name) === text) continue
      this.#stations.delete(name)
      void client.stop()
    }
    for (const station of config.bmp ?? []) {
      const name = nameOf(station)
      if (this.#stations.has(name)) continue
      // 0: not known (RFC 7854 §4.2)
      const { now = () => 0, ...world } = this.#world
      const system = { name: config.name, description: 'heddle' }
      const { as, routerId } = config.bgp
      const client = new BmpClient({ ...world, now, speaker, speakerConfig: { as, routerId }, config: { system, ...station } })
      this.#stations.set(name, { text: wanted.get(name) ?? '', client })
      client.start()
    }
  }
}

function cachesOf({ rtr = [] }: SpeakerNodeConfig): Map<string, string> {
  return new Map(rtr.map((cache, place) => [nameOf(cache), String(place)]))
}

function stationsOf({ bmp = [] }: SpeakerNodeConfig): Map<string, string> {
  return new Map(bmp.map((station) => [nameOf(station), JSON.stringify(station)]))
}

function nameOf({ address, port }: BmpClientConfig | RtrCacheConfig): string {
  return `${address} port ${port}`
}
