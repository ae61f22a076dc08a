// The pure packages run where there is no Node: bundled without its modules, and run in a realm that has JavaScript and a few web globals only.
import { createContext, runInContext } from 'node:vm'
import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { PURE } from '../scripts/lib/pure-packages.mjs'
import { root, sourceAliases } from '../scripts/lib/packages.mjs'

/** What browsers, workers and Deno have as well. */
const WEB = { TextEncoder, TextDecoder, AbortController, AbortSignal }
/** fast-check, on which the conformance suite stands, takes hold of timers when it is loaded. */
const MORE: Readonly<Record<string, object>> = { '@heddle/dataplane-conformance': { setTimeout, clearTimeout } }

async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    alias: Object.fromEntries(sourceAliases().map(({ specifier, file }) => [specifier, file])),
    nodePaths: [`${root}/packages/agent/node_modules`, `${root}/node_modules`],
    mainFields: ['module', 'main'],
    platform: 'neutral',
    format: 'iife',
    globalName: 'result',
    bundle: true,
    write: false,
    logLevel: 'silent',
  })
  return outputFiles[0].text
}

describe('without Node', () => {
  it.each(PURE.map((name) => `@heddle/${name}`))('%s can be loaded', async (specifier) => {
    const code = await bundle(`import * as all from '${specifier}'\nexport const names = Object.keys(all)`)
    const names = runInContext(`${code}\nresult.names`, createContext({ ...WEB, ...MORE[specifier] })) as string[]
    expect(names.length).toBeGreaterThan(0)
  })

  it('a whole overlay runs: BGP, model, forwarding', async () => {
    const code = await bundle(`
      import { Agent } from '@heddle/agent'
      import { memoryDataplane, memoryHost, memoryUnderlay } from '@heddle/dataplane-memory'
      import { ManualClock, memoryNetwork, seededRandom } from '@heddle/io/testing'
      import { IpAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'

      export async function run() {
        const clock = new ManualClock()
        const network = memoryNetwork({ clock })
        const underlay = memoryUnderlay()
        const target = RouteTarget.parse('65000:1')
        const site = async (address, neighbor, pod) => {
          const dataplane = memoryDataplane({ underlay, addresses: [IpAddress.parse(address)] })
          const agent = await Agent.start({
            dataplane, clock, random: seededRandom(1), transport: network.host(address, address).transport,
            config: {
              name: address, address: IpAddress.parse(address), underlayMtu: 1500, networks: [],
              vrfs: [{ name: 'red', rd: RouteDistinguisher.parse(address + ':1'), import: [target], export: [target] }],
              endpoints: [{ vrf: 'red', netns: '/pod', ifname: 'eth0', addresses: [IpAddress.parse(pod)] }],
              bgp: { as: 65000, routerId: address, listen: [{ address }], neighbors: [{ address: neighbor, as: 65000, families: ['vpnv4-unicast'] }] },
            },
          })
          const [device] = (await dataplane.dump()).devices
          return { agent, host: memoryHost({ name: pod, endpoint: dataplane.endpoint(device.port) }) }
        }
        const near = await site('192.0.2.1', '192.0.2.2', '10.0.0.1')
        await site('192.0.2.2', '192.0.2.1', '10.0.0.2')
        await clock.run(30_000)
        return near.host.ask(IpAddress.parse('10.0.0.2'))
      }`)
    expect(await (runInContext(`${code}\nresult.run()`, createContext({ ...WEB })) as Promise<unknown>)).toBe('10.0.0.2')
  })
})
