import { IpAddress } from '@heddle/wire'
import { expect, test } from 'vitest'
import type { LivenessObject, PathIntent } from '../src/index.js'
import { LivenessObjects } from '../src/fib/liveness-objects.js'
import { ObjectSet } from '../src/fib/object-set.js'

const intervals = { desiredMinTx: 300_000, requiredMinRx: 300_000, multiplier: 3 }
const path: PathIntent = { local: IpAddress.parse('192.0.2.1'), remote: IpAddress.parse('192.0.2.2'), hops: 'multiple', ...intervals }
const ofTunnels: PathIntent = { ...path, vouchesFor: 'tunnels' }
const quick = { desiredMinTx: 50_000, requiredMinRx: 50_000 }

test('a path that a BGP peer has watched as well vouches for tunnels as long as there are some, with the intervals of the most demanding', () => {
  const set = new ObjectSet<LivenessObject>()
  const objects = new LivenessObjects(set)
  const wanted = (): unknown => [...set.wanted.values()]
  objects.wantFor('tunnels', [ofTunnels])
  expect(wanted()).toEqual([{ id: 0, ...ofTunnels }])
  objects.wantFor('bgp', [{ ...path, ...quick }])
  expect(wanted()).toEqual([{ id: 0, ...ofTunnels, ...quick }])
  objects.wantFor('bgp', [{ ...path, multiplier: 9 }])
  expect(wanted()).toEqual([{ id: 0, ...ofTunnels }])
  objects.wantFor('tunnels', [])
  expect(wanted()).toEqual([{ id: 0, ...path, multiplier: 9 }])
})
