import type { EndpointRequest } from '@heddle/core'
import type { MemoryDataplane, MemoryHost } from '@heddle/dataplane-memory'
import { IpAddress } from '@heddle/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Agent } from '../src/index.js'
import { Overlay, REFLECTOR, endpoint, hostsOf, type VrfText } from './support/overlay.js'

const NODES = ['192.0.2.1', '192.0.2.2'] as const
const VRFS = ['red', 'blue'] as const
const ADDRESSES = ['10.0.0.1', '10.0.0.2', 'fd00::1'] as const
const FAMILIES = ['vpnv4-unicast', 'vpnv6-unicast', 'l2vpn-evpn'] as const
type NodeName = (typeof NODES)[number]

type Step =
  | { readonly type: 'add' | 'remove'; readonly node: NodeName; readonly vrf: string; readonly address: string }
  | { readonly type: 'restart-agent' | 'restart-node' | 'cut' | 'heal'; readonly node: NodeName }
  | { readonly type: 'import'; readonly node: NodeName; readonly imports: readonly string[] }
  /** VRFs that speak VXLAN beside MPLS. */
  | { readonly type: 'vnis'; readonly node: NodeName; readonly vnis: readonly string[] }
  | { readonly type: 'wait'; readonly seconds: number }

const node = fc.constantFrom(...NODES)
const place = { node, vrf: fc.constantFrom(...VRFS), address: fc.constantFrom(...ADDRESSES) }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('add' as const), ...place }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('remove' as const), ...place }) },
  fc.record({ type: fc.constantFrom('restart-agent' as const, 'restart-node' as const, 'cut' as const, 'heal' as const), node }),
  fc.record({ type: fc.constant('import' as const), node, imports: fc.subarray([...VRFS]) }),
  fc.record({ type: fc.constant('vnis' as const), node, vnis: fc.subarray([...VRFS]) }),
  { weight: 2, arbitrary: fc.record({ type: fc.constant('wait' as const), seconds: fc.constantFrom(0.001, 0.01, 1, 15, 200) }) },
)

/** One node: its agent, its dataplane, and what was asked of it. */
class Site {
  agent: Agent | undefined
  plane: MemoryDataplane
  imports: readonly string[] = VRFS
  vnis: readonly string[] = []
  readonly pods = new Map<string, EndpointRequest>()
  hosts: ReadonlyMap<string, MemoryHost> = new Map()
  heal: (() => void) | undefined

  constructor(
    readonly overlay: Overlay,
    readonly name: NodeName,
  ) {
    this.plane = overlay.dataplane(name)
  }

  get config() {
    const vrfs: VrfText[] = VRFS.map((name, index) => ({
      name,
      ...(this.imports.includes(name) ? {} : { import: [] }),
      export: [`65000:${index + 1}`],
      ...(this.vnis.includes(name) && { vni: 5001 + index }),
    }))
    return this.overlay.config(this.name, { vrfs, families: FAMILIES })
  }

  async start(): Promise<void> {
    this.agent = await this.overlay.agent(this.config, this.plane)
    for (const request of this.pods.values()) await this.agent.endpoints.add(request)
    this.hosts = await hostsOf(this.plane)
  }

  async carryOut(step: Exclude<Step, { readonly type: 'wait' }>): Promise<void> {
    switch (step.type) {
      case 'add':
      case 'remove': {
        const request = endpoint(`${this.name} ${step.vrf} ${step.address}`, step.vrf, step.address)
        if (step.type === 'add') await this.agent?.endpoints.add(request)
        else await this.agent?.endpoints.remove(request)
        if (step.type === 'add') this.pods.set(request.netns, request)
        else this.pods.delete(request.netns)
        this.hosts = await hostsOf(this.plane)
        return
      }
      case 'restart-agent':
      case 'restart-node':
        if (this.agent !== undefined) await this.overlay.kill(this.agent)
        if (step.type === 'restart-node') {
          await this.plane.close()
          this.plane = this.overlay.dataplane(this.name)
        }
        return this.start()
      case 'cut':
      case 'heal': {
        const link = [this.overlay.host(this.name), this.overlay.host(REFLECTOR)] as const
        if (step.type === 'cut') this.overlay.network.cut(...link)
        else this.overlay.network.heal(...link)
        return
      }
      case 'import':
        this.imports = step.imports
        await this.agent?.reconfigure(this.config)
        return
      case 'vnis':
        this.vnis = step.vnis
        await this.agent?.reconfigure(this.config)
    }
  }
}

/** Who answers whom: `HOST → ADDRESS: NAME`, a line each, in one order. */
function answers(sites: readonly Site[]): Map<string, string | undefined> {
  const found = new Map<string, string | undefined>()
  for (const { hosts } of sites) {
    for (const [name, host] of hosts) {
      for (const text of ADDRESSES) {
        const address = IpAddress.parse(text)
        if (host.addresses.some(({ family }) => family === address.family)) found.set(`${name} → ${text}`, host.ask(address))
      }
    }
  }
  return found
}

/** Who must answer, by what was asked of the sites and nothing else; several where routes are of equal cost. */
function expected(sites: readonly Site[], from: string, to: string): readonly (string | undefined)[] {
  const [node, vrf, asker] = from.split(' ')
  const [own, ...others] = sites.toSorted((a, b) => Number(b.name === node) - Number(a.name === node))
  const has = ({ pods }: Site, request: EndpointRequest): boolean => pods.has(request.netns)
  const pod = (site: Site): EndpointRequest => endpoint(`${site.name} ${vrf} ${to}`, vrf, to)
  const nameOf = ({ netns }: EndpointRequest): string => netns.slice('/run/netns/'.length)
  if (has(own, pod(own))) return [nameOf(pod(own))]
  const reachable = others.filter((site) => has(site, pod(site)) && own.imports.includes(vrf) && site.imports.includes(vrf))
  // Where the asker's address is there as well, the answer stays there.
  const isLost = (site: Site): boolean => has(site, endpoint(`${site.name} ${vrf} ${asker}`, vrf, asker))
  return reachable.length === 0 ? [undefined] : reachable.map((site) => (isLost(site) ? undefined : nameOf(pod(site))))
}

test('whatever happens, no packet crosses VRFs, and in the end everybody reaches whom they should', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const overlay = new Overlay()
      const reflector = await overlay.startReflector(NODES, { families: FAMILIES })
      const sites = NODES.map((name) => new Site(overlay, name))
      for (const site of sites) await site.start()
      for (const step of steps) {
        if (step.type === 'wait') await overlay.run(step.seconds)
        else await sites.find(({ name }) => name === step.node)?.carryOut(step)
        for (const [question, name] of answers(sites)) {
          if (name !== undefined) expect(`${question}: ${name.split(' ')[1]}`).toBe(`${question}: ${question.split(' ')[1]}`)
        }
      }
      for (const site of sites) await site.carryOut({ type: 'heal', node: site.name })
      await overlay.run(400)
      for (const [question, name] of answers(sites)) {
        const [from, to] = question.split(' → ')
        expect(expected(sites, from, to), question).toContain(name)
      }
      await overlay.stop(...sites.flatMap(({ agent }) => (agent === undefined ? [] : [agent])), reflector)
      expect(overlay.clock.pending).toEqual([])
    }),
    { numRuns: 200 },
  )
})
