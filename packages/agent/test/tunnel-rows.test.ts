import { RouteBatch, type DataplaneState } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import { expect, test } from 'vitest'
import { tunnelRows } from '../src/view/dataplane-views.js'

const [A, B, C] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((text) => IpAddress.parse(text))
const tunnel = { type: 'tunnel', encapsulation: 'mpls-udp', local: A, labels: [16], ttlModel: 'pipe', trafficClassModel: 'pipe' } as const

test('tunnels have the link by which the host itself sends to their far ends, where that is another one', () => {
  const state: DataplaneState = {
    generation: 1,
    vrfs: [],
    ports: [],
    nextHops: [
      { id: 1, action: { ...tunnel, remote: B } },
      { id: 2, action: { ...tunnel, remote: C } },
    ],
    groups: [],
    tunnelSources: [],
    labels: [],
    vnis: [],
    detours: [{ remote: C, link: 'eth1' }],
    routes: new RouteBatch(),
    devices: [],
  }
  expect(tunnelRows(state)).toMatchObject([
    { remote: String(B), hostLink: null },
    { remote: String(C), hostLink: 'eth1' },
  ])
})
