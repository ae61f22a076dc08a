import { expect, it } from 'vitest'
import { endpointMtu, leastUnderlayMtu } from './endpoint-mtu.js'

it.each([
  // IPv4 20 + UDP 8 + one label 4
  [{ underlayMtu: 1500, underlayFamilies: [4], encapsulations: ['mpls-udp'] }, 1468],
  // a joint label is one more entry
  [{ underlayMtu: 1500, underlayFamilies: [4], encapsulations: ['mpls-udp-joint', 'mpls-udp', 'mpls-gre'] }, 1464],
  // the widest encapsulation counts: GRE 4 in place of UDP 8
  [{ underlayMtu: 1500, underlayFamilies: [4], encapsulations: ['mpls-gre', 'mpls-udp'] }, 1468],
  // IPv6 40 + UDP 8 + two labels 8
  [{ underlayMtu: 9000, underlayFamilies: [4, 6], encapsulations: ['mpls-udp'], labels: 2 }, 8944],
  // IPv6 inside needs 1,280
  [{ underlayMtu: 1280, underlayFamilies: [6], encapsulations: ['mpls-udp'] }, 1280],
  // nowhere to tunnel to
  [{ underlayMtu: 1500, underlayFamilies: [], encapsulations: ['mpls-udp'] }, 1500],
] as const)('%j gives %i', (options, expected) => {
  expect(endpointMtu(options)).toBe(expected)
})

it.each([
  [{ underlayFamilies: [4], encapsulations: ['mpls-udp'] }, 1280 + 20 + 8 + 4],
  [{ underlayFamilies: [4, 6], encapsulations: ['mpls-udp', 'vxlan'] }, 1280 + 40 + 8 + 8 + 14],
  [{ underlayFamilies: [], encapsulations: ['mpls-udp'] }, 1280],
] as const)('%j takes IPv6 from %i octets on', (kinds, expected) => {
  expect(leastUnderlayMtu(kinds)).toBe(expected)
})
