import { probePacket } from '@heddle/forwarding'
import { IpAddress } from '@heddle/wire'
import { expect, it } from 'vitest'
import { summaryOf } from './packet-summary.js'

const [source, destination] = ['10.1.0.1', '10.1.0.2'].map((text) => IpAddress.parse(text))
const packet = probePacket({ source, destination, destinationPort: 80 })
const ends = 'UDP 10.1.0.1 port 33434 → 10.1.0.2 port 80'

it.each([
  [null, '', ends],
  ['mpls-udp', '0006 5140', `labels 101, ${ends}`],
  ['mpls-udp', '0000 0040 0006 5140', `labels 0/101, ${ends}`],
  ['mpls-udp-joint', '0006 5140', `joint label, labels 101, ${ends}`],
  ['mpls-gre', '0000 8847 0006 5140', `labels 101, ${ends}`],
  ['mpls-udp-joint', '0006 5040', 'no label stack'],
])('sums up a packet by %s behind %s', (encapsulation, headers, summary) => {
  const behind = encapsulation === null || summary.endsWith(ends) ? packet : new Uint8Array(0)
  const octets = Uint8Array.from([...Buffer.from(headers.replaceAll(' ', ''), 'hex'), ...behind])
  expect(summaryOf(octets, encapsulation)).toBe(summary)
})
