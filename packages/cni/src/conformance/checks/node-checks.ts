import { must, type PluginCheck } from '../plugin-check.js'
import { describe, refused } from './protocol-checks.js'

/** STATUS and GC: what concerns a whole node. */
export const NODE_CHECKS: readonly PluginCheck[] = [
  {
    id: 'status.ready',
    level: 'MUST',
    title: 'STATUS succeeds when ADD can be served, and says nothing',
    source: 'CNI 1.1.0, "STATUS"',
    since: '1.1.0',
    async run(lab) {
      const run = await lab.call('STATUS', undefined)
      must(run.exitCode === 0 && run.output.trim() === '', `answered ${describe(run)}`)
    },
  },
  {
    id: 'status.exhausted',
    level: 'MUST',
    title: 'ADD fails with an error when addresses are gone, and STATUS with 50',
    source: 'CNI 1.1.0, "STATUS"',
    since: '1.1.0',
    async run(lab) {
      for (let count = 0; count < (lab.plugin.addresses ?? 0); count++) await lab.add(await lab.container())
      if (lab.plugin.addresses === undefined) return
      refused(await lab.call('ADD', await lab.container()))
      refused(await lab.call('STATUS', undefined), 50)
    },
  },
  {
    id: 'gc.removes',
    level: 'MUST',
    title: 'GC removes what is not listed, and keeps what is',
    source: 'CNI 1.1.0, "GC"',
    since: '1.1.0',
    async run(lab) {
      for (const key of ['cni.dev/valid-attachments', 'cni.dev/attachments']) {
        const [kept, lost] = [await lab.container(), await lab.container()]
        await lab.add(kept)
        await lab.add(lost)
        const run = await lab.call('GC', undefined, { config: { [key]: [{ containerID: kept.id, ifname: 'eth0' }] } })
        must(run.exitCode === 0 && run.output.trim() === '', `answered ${describe(run)}`)
        must((await lab.addresses(kept)) !== undefined, 'what is listed is gone')
        must((await lab.addresses(lost)) === undefined, `what is not listed under ${key} is still there`)
        await lab.del(kept)
      }
    },
  },
  {
    id: 'gc.missing-list',
    level: 'SHOULD',
    title: 'GC without a list removes nothing and is an error',
    source: 'a list that is missing is not one that is empty',
    since: '1.1.0',
    async run(lab) {
      const container = await lab.container()
      await lab.add(container)
      refused(await lab.call('GC', undefined))
      must((await lab.addresses(container)) !== undefined, 'everything is gone')
    },
  },
]
