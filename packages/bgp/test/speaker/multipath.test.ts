import type { IpAddress } from '@heddle/wire'
import { expect, it } from 'vitest'
import { Lab, internal, isUp, vpn } from './lab.js'

const R = '192.0.2.1'
const A = '192.0.2.11'
const B = '192.0.2.12'

async function overlay(lab: Lab, more: object = {}) {
  const neighbors = [internal(A, { routeReflectorClient: true }), internal(B, { routeReflectorClient: true })]
  const reflector = lab.speaker(R, { neighbors, ...more })
  const sources = [A, B].map((address) => lab.speaker(address, { neighbors: [internal(R)] }))
  await Promise.all([reflector, ...sources].map((speaker) => speaker.start()))
  for (const source of sources) source.announce([vpn('10.0.0.1/32', { nextHop: source === sources[0] ? A : B })])
  await lab.until(() => isUp(reflector, A) && isUp(reflector, B), 'both are up')
  await lab.run(1)
  const views = () => [...reflector.routes({ family: 'vpnv4-unicast' })].map(({ peer, best, multipath }) => ({ peer, best, multipath }))
  return { reflector, views }
}

it('uses as many equal paths as it is told to', async () => {
  const { views } = await overlay(new Lab(), { decision: { multipath: 4 } })
  expect(views().map(({ multipath }) => multipath)).toEqual([true, true])
  expect(views().filter(({ best }) => best)).toHaveLength(1)
})

it('uses one path when nothing is said', async () => {
  const { views } = await overlay(new Lab())
  expect(views().map(({ multipath }) => multipath)).toEqual([false, false])
})

it('follows the cost of next hops as it changes, and uses no path whose next hop cannot be reached', async () => {
  const lab = new Lab()
  const costs = new Map<string, number | undefined>([
    [A, 20],
    [B, 10],
  ])
  const nextHops = { costOf: (address: IpAddress) => costs.get(String(address)) }
  const { reflector, views } = await overlay(lab, { nextHops })
  const best = () => views().find((view) => view.best)?.peer
  expect(best()).toBe(B)
  costs.set(B, undefined)
  reflector.nextHopsChanged()
  await lab.run(1)
  expect(best()).toBe(A)
  costs.set(A, undefined)
  reflector.nextHopsChanged()
  await lab.run(1)
  expect(best()).toBeUndefined()
  expect([...reflector.routes({ family: 'vpnv4-unicast', neighbor: A, direction: 'out' })]).toEqual([])
})
