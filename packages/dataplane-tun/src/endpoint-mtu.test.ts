import { describe, expect, it } from 'vitest'
import { endpointMtu, type EndpointMtuOptions } from './endpoint-mtu.js'

describe('endpoint MTU', () => {
  it.each<[number, EndpointMtuOptions]>([
    [1468, { underlayMtu: 1500, underlayFamily: 4 }], // IPv4 20, UDP 8, label 4
    [1448, { underlayMtu: 1500, underlayFamily: 6 }], // IPv6 40
    [1448, { underlayMtu: 1500 }],
    [1464, { underlayMtu: 1500, underlayFamily: 4, labels: 2 }],
    [1472, { underlayMtu: 1500, underlayFamily: 4, encapsulation: 'mpls-gre' }], // GRE 4 in place of UDP
    [1450, { underlayMtu: 1500, underlayFamily: 4, encapsulation: 'vxlan' }], // UDP 8, VXLAN 8, Ethernet 14
    [1496, { underlayMtu: 1500, encapsulation: 'mpls' }],
    [8969, { underlayMtu: 9001, underlayFamily: 4 }],
    [68, { underlayMtu: 60, underlayFamily: 4 }],
  ])('is %i for %o', (mtu, options) => {
    expect(endpointMtu(options)).toBe(mtu)
  })
})
