import { isIP } from 'node:net'
import { must, type PluginCheck } from '../plugin-check.js'
import { describe, refused } from './protocol-checks.js'

/** What ADD makes, says and refuses. */
export const ADD_CHECKS: readonly PluginCheck[] = [
  {
    id: 'add.interface',
    level: 'MUST',
    title: 'ADD makes the interface, and says in which namespace',
    source: 'CNI 1.1.0, "ADD"',
    async run(lab) {
      const container = await lab.container()
      const { result } = await lab.add(container)
      must((await lab.addresses(container)) !== undefined, 'there is no eth0')
      const told = result.interfaces.find(({ name, sandbox }) => name === 'eth0' && sandbox === container.namespace.path)
      must(told !== undefined, `the result has no eth0 with sandbox ${container.namespace.path}`)
    },
  },
  {
    id: 'add.addresses',
    level: 'MUST',
    title: 'the addresses of the result are on the interface',
    source: 'CNI 1.1.0, "ADD Success"',
    async run(lab) {
      const container = await lab.container()
      const { result } = await lab.add(container)
      must(result.ips.length > 0, 'the result has no address')
      const there = (await lab.addresses(container)) ?? []
      for (const { address, interface: index } of result.ips) {
        must(
          there.some(({ text }) => text === address),
          `${address} is not among ${there.map(({ text }) => text).join(', ')}`,
        )
        must(index !== undefined && result.interfaces[index]?.name === 'eth0', `${address} points to interface ${index}`)
      }
    },
  },
  {
    id: 'add.forms',
    level: 'MUST',
    title: 'lists of the result are lists, addresses and destinations have a length, and a gateway is of the family of its address',
    source: 'CNI 1.1.0, "ADD Success"',
    async run(lab) {
      const { raw, result } = await lab.add(await lab.container())
      for (const name of ['interfaces', 'ips', 'routes'])
        must(raw[name] === undefined || Array.isArray(raw[name]), `${name} is ${JSON.stringify(raw[name])}`)
      for (const { address, gateway = address } of result.ips) {
        must(isPrefix(address), `${address} is no address with a length`)
        must(isIP(gateway.replace(/\/.*/, '')) === isIP(address.replace(/\/.*/, '')), `the gateway of ${address} is ${gateway}`)
      }
      for (const { dst } of result.routes) must(isPrefix(dst), `${dst} is no destination with a length`)
    },
  },
  {
    id: 'add.usable',
    level: 'SHOULD',
    title: 'the addresses can be used when ADD returns',
    source: 'runtimes start containers at once',
    async run(lab) {
      const container = await lab.container()
      const { result } = await lab.add(container)
      must(await lab.isUp(container), 'the interface is down')
      const there = (await lab.addresses(container)) ?? []
      for (const { text, tentative } of there)
        must(!tentative || !result.ips.some(({ address }) => address === text), `${text} is tentative`)
    },
  },
  {
    id: 'add.versions',
    level: 'MUST',
    title: 'the result is of the version of the request, in each that is spoken',
    source: 'CNI 1.1.0, "ADD Success"',
    async run(lab) {
      for (const version of lab.versions.filter((text) => ['0.3.1', '0.4.0', '1.0.0', '1.1.0'].includes(text))) {
        const container = await lab.container()
        const { raw } = await lab.add(container, { config: { cniVersion: version } })
        must(raw['cniVersion'] === version, `asked in ${version}, it answered in ${String(raw['cniVersion'])}`)
        const [ip] = raw['ips'] as { version?: string }[]
        must((ip.version !== undefined) === version < '1.0.0', `in ${version}, ips[].version is ${ip.version}`)
        await lab.del(container, { config: { cniVersion: version } })
      }
    },
  },
  {
    id: 'add.twice',
    level: 'MUST',
    title: 'a second ADD of an attachment fails, and the first stays as it is',
    source: 'CNI 1.1.0, "ADD": a runtime must not call it twice; an interface that is there is an error',
    async run(lab) {
      const container = await lab.container()
      await lab.add(container)
      const before = await lab.addresses(container)
      refused(await lab.call('ADD', container))
      must(JSON.stringify(await lab.addresses(container)) === JSON.stringify(before), 'the first one has changed')
    },
  },
  {
    id: 'add.second-interface',
    level: 'SHOULD',
    title: 'a container can have a second interface, with other addresses',
    source: 'CNI 1.1.0, "Lifecycle & Ordering"',
    async run(lab) {
      const container = await lab.container()
      const first = await lab.add(container)
      const second = await lab.add(container, { ifname: 'net1' })
      const both = [...first.result.ips, ...second.result.ips].map(({ address }) => address)
      must(new Set(both).size === both.length, `the addresses are ${both.join(', ')}`)
    },
  },
  {
    id: 'add.name-taken',
    level: 'MUST',
    title: 'an interface of the name that is there already is an error, and is not touched',
    source: 'CNI 1.1.0, "ADD"',
    async run(lab) {
      const container = await lab.container()
      await lab.change(container, async ({ links }) => links.createVeth({ name: 'eth0', peer: 'hdpeer', mac: '02:00:00:00:00:77' }))
      refused(await lab.call('ADD', container))
      const links = await lab.links(container.namespace)
      must(links.includes('eth0') && links.includes('hdpeer'), `what was there is gone: ${links.join(', ')}`)
    },
  },
  {
    id: 'add.namespace-gone',
    level: 'MUST',
    title: 'a namespace that is not there is an error',
    source: 'CNI 1.1.0, "ADD"',
    async run(lab) {
      refused(await lab.call('ADD', await lab.container(), { environment: { CNI_NETNS: '/run/netns/hdconf-none' } }))
    },
  },
  {
    id: 'add.host-namespace',
    level: 'SHOULD',
    title: 'the namespace of the host is refused',
    source: 'reference library since 1.2',
    async run(lab) {
      const container = await lab.container()
      const environment = { CNI_NETNS: lab.plugin.host ?? '/proc/self/ns/net', CNI_IFNAME: 'hdconf0' }
      const run = await lab.call('ADD', container, { environment })
      if (run.exitCode === 0) await lab.del(container, { environment })
      refused(run)
    },
  },
  {
    id: 'add.prev-result',
    level: 'MUST',
    title: 'what plugins before it made is handed on, or refused',
    source: 'CNI 1.1.0, "ADD": must be handed on, modified or not',
    async run(lab) {
      const prevResult = { cniVersion: lab.version, interfaces: [{ name: 'hdprev', sandbox: '/other' }], ips: [], routes: [], dns: {} }
      const run = await lab.call('ADD', await lab.container(), { config: { prevResult } })
      if (run.exitCode !== 0) return
      must(run.output.includes('hdprev'), `prevResult is gone from ${describe(run)}`)
    },
  },
  {
    id: 'add.failure-leaves-nothing',
    level: 'MUST',
    title: 'an ADD that fails leaves nothing, and the next one works',
    source: 'CNI 1.1.0, "ADD"',
    async run(lab) {
      const container = await lab.container()
      const before = await lab.hostLinks()
      refused(await lab.call('ADD', container, { config: { ipam: { type: 'hdconf-none' } } }))
      must((await lab.addresses(container)) === undefined, 'eth0 is left in the container')
      const left = (await lab.hostLinks()).filter((name) => !before.includes(name) && name.startsWith('veth'))
      must(left.length === 0, `left on the host: ${left.join(', ')}`)
      await lab.add(container)
    },
  },
  {
    id: 'add.ipv4-first',
    level: 'de facto',
    title: 'IPv4 addresses come before those of IPv6',
    source: "runtimes show the first address as the pod's",
    async run(lab) {
      const { result } = await lab.add(await lab.container())
      const families = result.ips.map(({ address }) => (address.includes(':') ? 6 : 4))
      must(
        families.every((family, index) => index === 0 || families[index - 1] <= family),
        `the order is ${families.join(', ')}`,
      )
    },
  },
]

/** Whether a text is `ADDRESS/LENGTH`. */
function isPrefix(text: string): boolean {
  const [, address = '', digits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const longest = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1
  return digits !== '' && Number(digits) <= longest
}
