import { Netlink, NetworkNamespace } from '@heddle/linux'
import { threadId } from 'node:worker_threads'
import type { CniVerb } from '../protocol/environment.js'
import type { JsonObject } from '../protocol/json.js'
import { readResult } from '../protocol/read-result.js'
import type { CniResult } from '../protocol/result.js'
import type { CniVersion } from '../protocol/version.js'
import { must } from './plugin-check.js'
import { runPlugin, type PluginRun, type RunOptions } from './run-plugin.js'

/** A plugin, and how it is called. */
export interface PluginUnderTest {
  /** Path of its executable. */
  readonly file: string
  /** Its configuration: `type` and what only it knows, `ipam` among it. */
  readonly config: JsonObject
  /** Folders for `CNI_PATH`. */
  readonly path: readonly string[]
  /** Path of a namespace that shall be its host; that of this process if left out. Takes `nsenter`. */
  readonly host?: string
  /** How many addresses there are for containers, when that is no more than about twenty: then it is tested what happens when they are gone. */
  readonly addresses?: number
}

/** A container: an identity and a namespace. */
export interface Container {
  readonly id: string
  readonly namespace: NetworkNamespace
}

let made = 0

/** An address that no plugin gives out (RFC 5737). */
const ELSEWHERE = '203.0.113.1'

/** What a check works with: containers, calls, and a look at what is really there. */
export class PluginLab {
  readonly #containers: Container[] = []
  /** Interfaces that were asked for, of each container. */
  readonly #asked = new Map<Container, Set<string>>()

  constructor(
    readonly plugin: PluginUnderTest,
    /** The version in which the plugin is called. */
    readonly version: CniVersion,
    /** What it speaks. */
    readonly versions: readonly string[],
  ) {}

  /** A new container, which is taken away behind the check. */
  async container(): Promise<Container> {
    const id = `hdconf${process.pid}x${threadId}x${made++}`
    const container = { id, namespace: await NetworkNamespace.create(id) }
    this.#containers.push(container)
    return container
  }

  /** Calls the plugin. */
  async call(
    verb: CniVerb | 'NONE',
    container: Container | undefined,
    options: RunOptions & { readonly ifname?: string } = {},
  ): Promise<PluginRun> {
    const { plugin } = this
    if (verb === 'ADD' && container !== undefined) {
      const asked = this.#asked.get(container) ?? new Set()
      this.#asked.set(container, asked.add(options.ifname ?? 'eth0'))
    }
    const variables: Record<string, string | undefined> = {
      CNI_COMMAND: verb,
      CNI_PATH: plugin.path.join(':'),
      ...(container === undefined
        ? {}
        : { CNI_CONTAINERID: container.id, CNI_NETNS: container.namespace.path, CNI_IFNAME: options.ifname ?? 'eth0' }),
      ...options.environment,
    }
    const environment = Object.fromEntries(Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined))
    const input = options.input ?? JSON.stringify({ cniVersion: this.version, name: 'hdconf', ...plugin.config, ...options.config })
    const words = plugin.host === undefined ? [plugin.file] : ['nsenter', `--net=${plugin.host}`, plugin.file]
    return runPlugin(words, environment, input, options)
  }

  /** ADD that must succeed; its result. */
  async add(
    container: Container,
    options: RunOptions & { readonly ifname?: string } = {},
  ): Promise<{ readonly raw: JsonObject; readonly result: CniResult }> {
    const run = await this.call('ADD', container, options)
    must(run.exitCode === 0, `ADD failed: ${run.output}`)
    const version = (options.config?.['cniVersion'] ?? this.version) as CniVersion
    return { raw: run.json, result: readResult(run.json, version, 6, 'result') }
  }

  /** DEL that must succeed. */
  async del(container: Container, options: RunOptions & { readonly ifname?: string } = {}): Promise<void> {
    const run = await this.call('DEL', container, options)
    must(run.exitCode === 0, `DEL failed: ${run.output}`)
    this.#asked.get(container)?.delete(options.ifname ?? 'eth0')
  }

  /** Addresses of an interface, with their length; `undefined` when there is no such interface. */
  async addresses(
    { namespace }: Container,
    ifname = 'eth0',
  ): Promise<readonly { readonly text: string; readonly tentative: boolean }[] | undefined> {
    using netlink = await Netlink.open(namespace)
    const link = (await netlink.links.list()).find(({ name }) => name === ifname)
    if (link === undefined) return undefined
    return (await netlink.addresses.list(link.index)).map(({ address, prefixLength, tentative }) => ({
      text: `${address}/${prefixLength}`,
      tentative,
    }))
  }

  /** Whether an interface is there and up. */
  async isUp({ namespace }: Container, ifname = 'eth0'): Promise<boolean> {
    using netlink = await Netlink.open(namespace)
    return (await netlink.links.list()).some(({ name, up }) => name === ifname && up)
  }

  /** The interface by which a packet to somewhere else leaves a container; `undefined` when none does. */
  async wayOut({ namespace }: Container): Promise<string | undefined> {
    using netlink = await Netlink.open(namespace)
    return netlink.routes.lookup(ELSEWHERE).then(
      ({ link }) => link,
      () => undefined,
    )
  }

  /** Names of the interfaces in a namespace, without `lo`, sorted. */
  async links(namespace: NetworkNamespace | string | undefined): Promise<readonly string[]> {
    using netlink = await Netlink.open(namespace)
    return (await netlink.links.list())
      .map(({ name }) => name)
      .filter((name) => name !== 'lo')
      .sort()
  }

  async hostLinks(): Promise<readonly string[]> {
    return this.links(this.plugin.host)
  }

  /** Changes a container by hand. */
  async change({ namespace }: Container, work: (netlink: Netlink) => Promise<unknown>): Promise<void> {
    using netlink = await Netlink.open(namespace)
    await work(netlink)
  }

  /** Takes away what the check left, by the plugin first. */
  async clean(): Promise<void> {
    for (const container of this.#containers.splice(0)) {
      for (const ifname of this.#asked.get(container) ?? []) await this.call('DEL', container, { ifname }).catch(() => undefined)
      await container.namespace[Symbol.asyncDispose]()
    }
  }
}
