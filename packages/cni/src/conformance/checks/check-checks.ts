import { must, type PluginCheck } from '../plugin-check.js'
import type { PluginLab, Container } from '../plugin-lab.js'
import type { PluginRun } from '../run-plugin.js'
import { describe, refused } from './protocol-checks.js'

/** What CHECK sees, and what it puts up with. */
export const CHECK_CHECKS: readonly PluginCheck[] = [
  {
    id: 'check.passes',
    level: 'MUST',
    title: 'CHECK passes right behind ADD, and says nothing',
    source: 'CNI 1.1.0, "CHECK"',
    since: '0.4.0',
    async run(lab) {
      const run = await checked(lab, async () => undefined)
      must(run.exitCode === 0 && run.output.trim() === '', `answered ${describe(run)}`)
    },
  },
  {
    id: 'check.prev-result',
    level: 'MUST',
    title: 'CHECK without prevResult is an error',
    source: 'CNI 1.1.0, "CHECK"',
    since: '0.4.0',
    async run(lab) {
      const container = await lab.container()
      await lab.add(container)
      refused(await lab.call('CHECK', container))
    },
  },
  {
    id: 'check.lost-interface',
    level: 'MUST',
    title: 'CHECK fails when the interface is gone',
    source: 'CNI 1.1.0, "CHECK"',
    since: '0.4.0',
    async run(lab) {
      refused(await checked(lab, async (container) => lab.change(container, async ({ links }) => links.delete('eth0'))))
    },
  },
  {
    id: 'check.lost-address',
    level: 'MUST',
    title: 'CHECK fails when an address is gone',
    source: 'CNI 1.1.0, "CHECK"',
    since: '0.4.0',
    async run(lab) {
      refused(
        await checked(lab, async (container, address) => lab.change(container, async ({ addresses }) => addresses.delete('eth0', address))),
      )
    },
  },
  {
    id: 'check.lost-route',
    level: 'MUST',
    title: 'CHECK fails when a route of the result is gone',
    source: 'CNI 1.1.0, "CHECK"',
    since: '0.4.0',
    async run(lab) {
      const container = await lab.container()
      const { raw, result } = await lab.add(container)
      const [route] = result.routes
      if (route === undefined) return // it tells of none
      await lab.change(container, async ({ routes }) => routes.delete(route.dst, { link: 'eth0' }))
      refused(await lab.call('CHECK', container, { config: { prevResult: raw } }))
    },
  },
  {
    id: 'check.later-changes',
    level: 'SHOULD',
    title: 'CHECK passes when later plugins added a route',
    source: 'CNI 1.1.0, "CHECK"',
    since: '0.4.0',
    async run(lab) {
      const run = await checked(lab, async (container) =>
        lab.change(container, async ({ routes }) => routes.replace('203.0.113.0/24', { link: 'eth0' })),
      )
      must(run.exitCode === 0, `answered ${describe(run)}`)
    },
  },
  {
    id: 'check.old-version',
    level: 'MUST',
    title: 'CHECK in 0.3.1, which does not have it, is an error',
    source: 'CNI 0.4.0',
    async run(lab) {
      const container = await lab.container()
      const { raw } = await lab.add(container, { config: { cniVersion: '0.3.1' } })
      refused(await lab.call('CHECK', container, { config: { cniVersion: '0.3.1', prevResult: raw } }))
    },
  },
]

/** CHECK of a container to which something was done since its ADD. */
async function checked(lab: PluginLab, work: (container: Container, address: string) => Promise<void>): Promise<PluginRun> {
  const container = await lab.container()
  const { raw, result } = await lab.add(container)
  await work(container, result.ips[0].address)
  return lab.call('CHECK', container, { config: { prevResult: raw } })
}
