import { must, type PluginCheck } from '../plugin-check.js'

/** Moments at which a call is killed, milliseconds behind its start. */
const MOMENTS = [0, 1, 2, 4, 8, 16]

/** Calls at once, calls that are killed, calls that do not end. */
export const ROBUSTNESS_CHECKS: readonly PluginCheck[] = [
  {
    id: 'parallel.containers',
    level: 'MUST',
    title: 'different containers are attached at once, each with its own addresses',
    source: 'CNI 1.1.0, "Lifecycle & Ordering"',
    async run(lab) {
      const containers = await Promise.all(Array.from({ length: 6 }, async () => lab.container()))
      const results = await Promise.all(containers.map(async (container) => lab.add(container)))
      const all = results.flatMap(({ result }) => result.ips.map(({ address }) => address))
      must(new Set(all).size === all.length, `the addresses are ${all.join(', ')}`)
      await Promise.all(containers.map(async (container) => lab.del(container)))
    },
  },
  {
    id: 'kill.add',
    level: 'SHOULD',
    title: 'behind an ADD that was killed, DEL, ADD and DEL work, and nothing is left',
    source: 'runtimes have deadlines',
    async run(lab) {
      const before = await lab.hostLinks()
      for (const killAfter of MOMENTS) {
        const container = await lab.container()
        await lab.call('ADD', container, { killAfter })
        await lab.del(container)
        must((await lab.addresses(container)) === undefined, `killed after ${killAfter} ms, eth0 is left behind DEL`)
        await lab.add(container)
        await lab.del(container)
      }
      const left = (await lab.hostLinks()).filter((name) => !before.includes(name) && name.startsWith('veth'))
      must(left.length === 0, `left on the host: ${left.join(', ')}`)
    },
  },
  {
    id: 'kill.del',
    level: 'SHOULD',
    title: 'behind a DEL that was killed, DEL, ADD and DEL work',
    source: 'runtimes have deadlines',
    async run(lab) {
      for (const killAfter of MOMENTS) {
        const container = await lab.container()
        await lab.add(container)
        await lab.call('DEL', container, { killAfter })
        await lab.del(container)
        must((await lab.addresses(container)) === undefined, `killed after ${killAfter} ms, eth0 is left behind DEL`)
        await lab.add(container)
        await lab.del(container)
      }
    },
  },
  {
    id: 'output.ends',
    level: 'de facto',
    title: 'standard output ends with the plugin',
    source: 'runtimes wait for the end of it',
    async run(lab) {
      const run = await lab.call('ADD', await lab.container())
      must(run.lingered < 1_000, `it was held open for ${Math.round(run.lingered)} ms`)
    },
  },
]
