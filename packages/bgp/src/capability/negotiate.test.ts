import { IpAddress } from '@heddle/wire'
import { expect, test } from 'vitest'
import { IPV4_UNICAST, IPV6_UNICAST, VPNV4_UNICAST, VPNV6_UNICAST, negotiate, type Capability, type OpenMessage } from '../index.js'

function open(as: number, ...capabilities: Capability[]): OpenMessage {
  return { type: 'open', as, holdTime: 90, routerId: IpAddress.v4(as), capabilities }
}

test('two speakers without capabilities have IPv4 unicast and two-octet AS numbers', () => {
  expect(negotiate(open(1), { ...open(2), holdTime: 30 })).toEqual({
    remoteAs: 2,
    remoteRouterId: IpAddress.v4(2),
    peerType: 'ebgp',
    asn4: false,
    families: [IPV4_UNICAST],
    addPath: { send: new Set(), receive: new Set() },
    extendedMessage: false,
    extendedNextHop: [],
    routeRefresh: false,
    enhancedRouteRefresh: false,
    holdTime: 30,
  })
})

test('families are those of both, in our order, each once', () => {
  const multiprotocol = (family: typeof IPV4_UNICAST): Capability => ({ kind: 'multiprotocol', family })
  const local = open(
    1,
    multiprotocol(VPNV6_UNICAST),
    multiprotocol(VPNV4_UNICAST),
    multiprotocol(VPNV4_UNICAST),
    multiprotocol(IPV6_UNICAST),
  )
  const remote = open(1, multiprotocol(VPNV4_UNICAST), multiprotocol(VPNV6_UNICAST), multiprotocol(IPV4_UNICAST))
  expect(negotiate(local, remote)).toMatchObject({ peerType: 'ibgp', families: [VPNV6_UNICAST, VPNV4_UNICAST] })
  expect(negotiate(local, open(1)).families).toEqual([])
})

test.each([
  ['send', 'receive', true, false],
  ['receive', 'send', false, true],
  ['both', 'both', true, true],
  ['both', 'receive', true, false],
  ['send', 'send', false, false],
  ['receive', 'receive', false, false],
] as const)('ADD-PATH: we %s, the peer %s', (ours, theirs, send, receive) => {
  const addPath = (direction: 'send' | 'receive' | 'both'): Capability => ({
    kind: 'add-path',
    families: [{ family: IPV4_UNICAST, direction }],
  })
  const session = negotiate(open(1, addPath(ours)), open(1, addPath(theirs)))
  expect([session.addPath.send.has(IPV4_UNICAST.key), session.addPath.receive.has(IPV4_UNICAST.key)]).toEqual([send, receive])
})

test('graceful restart is what the peer announced, for the families of the session, when both can', () => {
  const restart = (notification: boolean, ...families: (typeof IPV4_UNICAST)[]): Capability => ({
    kind: 'graceful-restart',
    restarting: true,
    notification,
    restartTime: 120,
    families: families.map((family) => ({ family, forwardingPreserved: true })),
  })
  const session = negotiate(open(1, restart(true, IPV4_UNICAST)), open(1, restart(false, VPNV4_UNICAST, IPV4_UNICAST)))
  expect(session.gracefulRestart).toEqual({
    restarting: true,
    notification: false,
    restartTime: 120,
    families: [{ family: IPV4_UNICAST, forwardingPreserved: true }],
  })
  expect(negotiate(open(1), open(1, restart(true)))).not.toHaveProperty('gracefulRestart')
})

test('extended next hop needs the same entry on both sides', () => {
  const entry = (nextHopAfi: number): Capability => ({ kind: 'extended-next-hop', entries: [{ family: IPV4_UNICAST, nextHopAfi }] })
  expect(negotiate(open(1, entry(2)), open(1, entry(2))).extendedNextHop).toEqual([{ family: IPV4_UNICAST, nextHopAfi: 2 }])
  expect(negotiate(open(1, entry(2)), open(1, entry(1))).extendedNextHop).toEqual([])
})
