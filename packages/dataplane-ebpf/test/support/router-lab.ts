import { DataplaneError, RouteBatch, type FibTransaction } from '@heddle/core'
import type { EbpfDataplaneOptions } from '@heddle/dataplane-ebpf'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { makeFolder } from '../../../dataplane-tun/test/support/folders.js'
import { pingWords } from '../../../dataplane-tun/test/support/ping.js'
import { emptyTransaction } from '../../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../../src/ebpf-router.js'
import { RouterNamespace } from './router.js'

const run = promisify(execFile)

/** Addresses of the endpoints at ports 0 and 1. */
export const PODS = ['10.1.0.1', '10.1.0.2'].map((text) => IpAddress.parse(text))

/** The two endpoints, in one VRF. */
export function podTransaction(generation: number): FibTransaction {
  const routes = new RouteBatch()
  for (const [index, pod] of PODS.entries()) routes.push(1, IpPrefix.of(pod), index)
  return {
    ...emptyTransaction(generation),
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    ports: {
      set: PODS.map((pod, id) => ({ id, kind: 'endpoint', vrf: 1, allowedSources: [IpPrefix.of(pod)], gateways: [], mtu: 1400 })),
      remove: [],
    },
    nextHops: { set: PODS.map((_, id) => ({ id, action: { type: 'port', port: id } })), remove: [] },
    groups: { set: PODS.map((_, id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 7 })), remove: [] },
    routes,
  }
}

/** One namespace for routers, one for each of two pods, and a folder for pins. Made where tests are described, it is there while they run. */
export class RouterLab {
  #space: RouterNamespace | undefined
  #folder = ''
  readonly #opened = new Set<EbpfRouter>()

  /** @param name unlike that of any other test file: those run at the same time */
  constructor(
    readonly name: string,
    readonly options: Partial<EbpfDataplaneOptions> = {},
  ) {
    beforeAll(() => {
      this.#folder = makeFolder(name)
      this.#space = new RouterNamespace(name)
      for (const port of PODS.keys()) this.#namespaces.add(this.#pod(port))
    })
    // What a test that fails leaves open would fail those behind it.
    afterEach(async () => {
      for (const router of this.#opened) await router.close()
      this.#opened.clear()
    })
    afterAll(() => {
      this.#space?.close()
      rmSync(this.#folder, { recursive: true, force: true })
    })
  }

  /** A router, which is closed behind the test if it is not before. */
  async open(options: Partial<EbpfDataplaneOptions> = {}): Promise<EbpfRouter> {
    const router = await this.space.open({ ...this.options, ...options })
    this.#opened.add(router)
    return router
  }

  /** Closes one, and lets it go. */
  async close(router: EbpfRouter): Promise<void> {
    await router.close()
    this.#opened.delete(router)
  }

  get space(): RouterNamespace {
    if (this.#space === undefined) throw new TypeError('no test runs')
    return this.#space
  }

  /** A path in the folder. */
  path(name: string): string {
    return join(this.#folder, name)
  }

  /** Path of the namespace of routers. */
  get netns(): string {
    return this.#namespaces.path(this.name)
  }

  /** Path of an endpoint's namespace. */
  podNetns(port: number): string {
    return this.#namespaces.path(this.#pod(port))
  }

  /** Runs a command where routers are; its output. */
  inHost(...command: string[]): string {
    return this.#namespaces.in(this.name, ...command)
  }

  /** Runs a command in an endpoint's namespace; its output. */
  inPod(port: number, ...command: string[]): string {
    return this.#namespaces.in(this.#pod(port), ...command)
  }

  attach(router: EbpfRouter, port: number): Promise<unknown> {
    return router.attachPort(port, { netns: this.podNetns(port), ifname: 'eth0', addresses: [PODS[port]], mtu: 1400 })
  }

  /** What a ping from one endpoint to the other says. */
  async ping(seconds = 10): Promise<string> {
    const argv = ['netns', 'exec', this.#namespaces.name(this.#pod(0)), ...pingWords(2), '-W', `${seconds}`, `${PODS[1]}`]
    return (await run('ip', argv).catch((error: { stdout: string }) => error)).stdout
  }

  get #namespaces(): RouterNamespace['namespaces'] {
    return this.space.namespaces
  }

  #pod(port: number): string {
    return `${this.name}-pod-${port}`
  }
}

/** Whether a BPF file system is mounted at a directory. */
export function isMounted(directory: string): boolean {
  return readFileSync('/proc/mounts', 'utf8').includes(` ${directory} bpf `)
}

/** Code of the error that ends an attempt, or what another error says; `nothing` when none does. */
export function codeOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => 'nothing',
    (error: unknown) => (error instanceof DataplaneError ? error.code : String(error)),
  )
}
