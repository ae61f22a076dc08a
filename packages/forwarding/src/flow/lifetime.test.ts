import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '@heddle/wire'
import { expect, test } from 'vitest'
import { lifetimeOf, nextState } from './lifetime.js'
import { Tuple } from './tuple.js'

const packet = (protocol: number, flags = 0): Tuple => Object.assign(new Tuple(), { protocol, flags })

test.each([
  ['a SYN alone', [[TCP_SYN, false]], 240_000],
  ['a connection', [[TCP_SYN, false], [TCP_SYN | TCP_ACK, true], [TCP_ACK, false]], 7_440_000], // prettier-ignore
  ['a connection that one end closes', [[TCP_SYN, false], [TCP_ACK, true], [TCP_FIN, true], [TCP_ACK, false]], 240_000], // prettier-ignore
  ['a connection that was reset', [[TCP_SYN, false], [TCP_ACK, true], [TCP_RST, false]], 240_000], // prettier-ignore
] as const)('%s is remembered as long as RFC 5382 asks', (_, packets, lifetime) => {
  let state = 0
  for (const [flags, isReply] of packets) state = nextState(state, packet(6, flags), isReply)
  expect(lifetimeOf(state, packet(6))).toBe(lifetime)
})

test('UDP is remembered for 5 minutes (RFC 4787), ICMP for one (RFC 5508)', () => {
  expect([17, 1, 58].map((protocol) => lifetimeOf(0, packet(protocol)))).toEqual([300_000, 60_000, 60_000])
})
