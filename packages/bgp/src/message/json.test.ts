import { IpAddress, IpPrefix, MacAddress, RouteDistinguisher } from '@heddle/wire'
import { expect, test } from 'vitest'
import { L2VPN_EVPN, VPNV6_FLOWSPEC, jointLabelsCommunity, messageToJson, type UpdateMessage } from '../index.js'

const rd = RouteDistinguisher.parse('65000:1')

test('every kind prints as its fields, with text for what has a text form', () => {
  const message: UpdateMessage = {
    type: 'update',
    withdrawn: [
      {
        family: L2VPN_EVPN,
        multiprotocol: true,
        nlri: [
          {
            kind: 'evpn',
            route: 's-pmsi',
            rd,
            ethernetTag: 1,
            group: IpAddress.parse('239.1.1.1'),
            originator: IpAddress.parse('192.0.2.1'),
          },
        ],
      },
    ],
    attributes: {
      aigp: 5n,
      extendedCommunities: [
        { kind: 'traffic-rate-bytes', as: 0, bytesPerSecond: Number.POSITIVE_INFINITY },
        { kind: 'router-mac', mac: MacAddress.parse('00:11:22:33:44:55') },
        jointLabelsCommunity(IpAddress.parse('192.0.2.1')),
      ],
      ipv6ExtendedCommunities: [{ kind: 'redirect', address: IpAddress.parse('2001:db8::1'), assigned: 7 }],
      prefixSid: [
        {
          kind: 'srv6-l3-service',
          subTlvs: [{ kind: 'sid-information', sid: IpAddress.parse('2001:db8::'), flags: 0, behavior: 19, subTlvs: [] }],
        },
      ],
      tunnelEncapsulation: [{ type: 13, subTlvs: [{ kind: 'egress-endpoint', address: IpAddress.parse('192.0.2.1') }] }],
    },
    announced: [
      {
        family: VPNV6_FLOWSPEC,
        multiprotocol: true,
        nlri: [
          {
            kind: 'flowspec',
            rd,
            components: [
              { type: 'destination-prefix', prefix: IpPrefix.parse('2001:db8::/32'), offset: 8 },
              { type: 'port', matches: [{ and: false, operator: '>=', value: 2n ** 60n }] },
            ],
          },
        ],
      },
    ],
  }
  expect(messageToJson(message)).toEqual({
    type: 'update',
    withdrawn: [
      {
        family: 'l2vpn-evpn',
        multiprotocol: true,
        nlri: [{ kind: 'evpn', route: 's-pmsi', rd: '65000:1', ethernetTag: 1, group: '239.1.1.1', originator: '192.0.2.1' }],
      },
    ],
    attributes: {
      aigp: '5',
      extendedCommunities: [
        { kind: 'traffic-rate-bytes', as: 0, bytesPerSecond: 'Infinity' },
        { kind: 'router-mac', mac: '00:11:22:33:44:55' },
        { kind: 'joint-labels', nextHop: '0000c0000201' },
      ],
      ipv6ExtendedCommunities: [{ kind: 'redirect', address: '2001:db8::1', assigned: 7 }],
      prefixSid: [
        { kind: 'srv6-l3-service', subTlvs: [{ kind: 'sid-information', sid: '2001:db8::', flags: 0, behavior: 19, subTlvs: [] }] },
      ],
      tunnelEncapsulation: [{ type: 13, subTlvs: [{ kind: 'egress-endpoint', address: '192.0.2.1' }] }],
    },
    announced: [
      {
        family: 'vpnv6-flowspec',
        multiprotocol: true,
        nlri: [
          {
            kind: 'flowspec',
            rd: '65000:1',
            components: [
              { type: 'destination-prefix', prefix: '2001:db8::/32', offset: 8 },
              { type: 'port', matches: [{ and: false, operator: '>=', value: '1152921504606846976' }] },
            ],
          },
        ],
      },
    ],
  })
})
