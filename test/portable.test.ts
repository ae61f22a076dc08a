// The pure packages run where there is no Node: bundled for a neutral platform, an overlay of two nodes forwards in a context that has only what the
// language and every browser have.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createContext, runInContext } from 'node:vm'
import { build } from 'tsup'
import { afterAll, expect, it } from 'vitest'
import { packages, root } from '../scripts/lib/packages.mjs'

const scratch = mkdtempSync(join(root, 'test', '.snippets-'))
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true })
})

/** Packages that need Node or Linux. */
const IMPURE = ['@heddle/linux', '@heddle/dataplane-tun', '@heddle/cli', 'heddle']

const STORY = `
import { Agent } from '@heddle/agent'
import { memoryDataplane, memoryHost, memoryUnderlay } from '@heddle/dataplane-memory'
import { ManualClock, memoryNetwork, seededRandom } from '@heddle/io/testing'
import { IpAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'

export async function story() {
  const clock = new ManualClock()
  const network = memoryNetwork({ clock })
  const underlay = memoryUnderlay()
  const target = RouteTarget.parse('65000:1')
  const site = async (own, peer, pod) => {
    const address = IpAddress.parse(own)
    const dataplane = memoryDataplane({ underlay, addresses: [address] })
    const neighbors = [{ address: peer, as: 65000, families: ['vpnv4-unicast', 'vpnv6-unicast', 'rtc'] }]
    const agent = await Agent.start({
      config: {
        name: own,
        address,
        bgp: { as: 65000, routerId: own, listen: [{ address: own }], neighbors },
        networks: [],
        vrfs: [{ name: 'red', rd: RouteDistinguisher.parse(own + ':1'), import: [target], export: [target] }],
        endpoints: [{ vrf: 'red', netns: own, ifname: 'eth0', addresses: [IpAddress.parse(pod)] }],
        underlayMtu: 1500,
      },
      dataplane,
      clock,
      random: seededRandom(1),
      transport: network.host(own, own).transport,
    })
    const [device] = (await dataplane.dump()).devices
    return { agent, host: memoryHost({ name: pod, endpoint: dataplane.endpoint(device.port) }) }
  }
  const a = await site('192.0.2.1', '192.0.2.2', '10.1.0.1')
  const b = await site('192.0.2.2', '192.0.2.1', '10.1.0.2')
  await clock.run(10000)
  const answer = a.host.ask(IpAddress.parse('10.1.0.2'))
  const stopped = Promise.all([a.agent.stop(), b.agent.stop()])
  await clock.run(5000)
  await stopped
  return answer
}
`

it('an overlay of two nodes runs without Node', async () => {
  const pure = packages()
    .filter(({ name }) => !IMPURE.includes(name))
    .map(({ name }) => name)
  const entry = join(scratch, 'story.js')
  writeFileSync(entry, [...pure.map((name, index) => `export * as p${index} from '${name}'`), STORY].join('\n'))
  await build({
    config: false,
    entry: [entry],
    outDir: scratch,
    format: 'iife',
    globalName: 'heddle',
    platform: 'neutral',
    target: 'es2022',
    noExternal: [/.*/],
    dts: false,
    silent: true,
    outExtension: () => ({ js: '.bundle.js' }),
    esbuildOptions: (options) => {
      options.mainFields = ['module', 'main']
    },
  })
  const code = readFileSync(join(scratch, 'story.bundle.js'), 'utf8')
  expect(code).not.toMatch(/\brequire\(|from ['"]node:/)
  const context = createContext({ TextEncoder, TextDecoder, AbortController, AbortSignal, queueMicrotask, setTimeout, clearTimeout })
  const names = runInContext(`${code}\nObject.keys(heddle)`, context) as string[]
  expect(names).toContain(`p${pure.length - 1}`)
  expect(await (runInContext('heddle.story()', context) as Promise<unknown>)).toBe('10.1.0.2')
}, 60_000)
