import { must, type PluginCheck } from '../plugin-check.js'
import { describe } from './protocol-checks.js'

/** What DEL takes away, and what it puts up with. */
export const DEL_CHECKS: readonly PluginCheck[] = [
  {
    id: 'del.removes',
    level: 'MUST',
    title: 'DEL removes the interface, says nothing, and succeeds a second time',
    source: 'CNI 1.1.0, "DEL"',
    async run(lab) {
      const container = await lab.container()
      await lab.add(container)
      const run = await lab.call('DEL', container)
      must(run.exitCode === 0 && run.output.trim() === '', `answered ${describe(run)}`)
      must((await lab.addresses(container)) === undefined, 'eth0 is still there')
      await lab.del(container)
    },
  },
  {
    id: 'del.never-added',
    level: 'MUST',
    title: 'DEL of what was never added succeeds',
    source: 'CNI 1.1.0, "DEL"',
    async run(lab) {
      await lab.del(await lab.container())
    },
  },
  {
    id: 'del.without-namespace',
    level: 'MUST',
    title: 'DEL succeeds when CNI_NETNS is missing, empty, or leads nowhere',
    source: 'CNI 1.1.0, "DEL"',
    async run(lab) {
      for (const netns of [undefined, '', '/run/netns/hdconf-none']) {
        const container = await lab.container()
        await lab.add(container)
        await container.namespace.delete()
        await lab.del(container, { environment: { CNI_NETNS: netns } })
      }
    },
  },
  {
    id: 'del.then-add',
    level: 'MUST',
    title: 'ADD works right behind a DEL of the same interface, and packets leave by the new one',
    source: 'CNI 1.1.0, "Lifecycle & Ordering"',
    async run(lab) {
      const container = await lab.container()
      await lab.add(container)
      const first = await lab.wayOut(container)
      for (let round = 0; round < 2; round++) {
        await lab.del(container)
        await lab.add(container)
        const way = await lab.wayOut(container)
        must(way === first, `packets left by ${first ?? 'no interface'} at first, and by ${way ?? 'none'} behind DEL and ADD`)
      }
      await lab.del(container)
    },
  },
  {
    id: 'del.frees',
    level: 'MUST',
    title: 'addresses are free again, however the container went',
    source: 'CNI 1.1.0, "DEL"',
    async run(lab) {
      const rounds = Math.min((lab.plugin.addresses ?? 3) + 1, 24)
      for (let round = 0; round < rounds; round++) {
        const container = await lab.container()
        await lab.add(container)
        if (round % 2 === 0) await lab.del(container)
        else {
          await container.namespace.delete()
          await lab.del(container, { environment: { CNI_NETNS: undefined } })
        }
      }
    },
  },
]
