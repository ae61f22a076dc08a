import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { expect, test } from 'vitest'
import type { VpnRoute } from '../src/index.js'
import { World } from './support/world.js'

const RED = RouteTarget.parse('65000:1')
const red = { name: 'red', rd: RouteDistinguisher.parse('65000:1'), import: [RED], export: [] }
const route: VpnRoute = {
  source: '198.51.100.1',
  rd: RouteDistinguisher.parse('65000:9'),
  prefix: IpPrefix.parse('10.0.0.1/32'),
  pathId: 0,
  routeTargets: [RED],
  label: 16,
  nextHop: IpAddress.parse('192.0.2.3'),
  encapsulations: [],
  preference: {
    localPref: 100,
    asPathLength: 0,
    origin: 0,
    med: 0,
    neighborAs: 0,
    external: false,
    clusterListLength: 0,
    originatorId: 0,
  },
}
const tunnelLiveness = { desiredMinTx: 300_000, requiredMinRx: 300_000, multiplier: 3 }

test('a next hop is watched no more when the only VRF that uses it goes', () => {
  const world = new World()
  world.run({ type: 'vrfs', vrfs: [red] })
  world.run({ type: 'traffic', traffic: { tunnelLiveness } })
  world.run({ type: 'announce', route })
  world.settle()
  expect(world.state.liveness).toMatchObject([{ remote: route.nextHop, vouchesFor: 'tunnels' }])
  world.run({ type: 'vrfs', vrfs: [] })
  world.settle()
  expect(world.state.liveness).toEqual([])
})

test('what a dataplane that took another one’s place says of a path counts for that path, not for the one that its id stands for now', () => {
  const world = new World()
  world.run({ type: 'vrfs', vrfs: [red] })
  world.run({ type: 'traffic', traffic: { tunnelLiveness } })
  world.run({ type: 'announce', route })
  world.settle()
  const before = world.state
  world.run({ type: 'source-down', source: route.source })
  world.settle()
  world.run({ type: 'announce', route: { ...route, nextHop: IpAddress.parse('192.0.2.4') } })
  world.settle()
  expect(world.state.liveness?.map(({ id }) => id)).toEqual(before.liveness?.map(({ id }) => id))
  world.replaced(before)
  world.hear(0, false)
  world.settle()
  expect([...world.model.routes()]).toMatchObject([{ nextHop: IpAddress.parse('192.0.2.4'), best: true }])
})
