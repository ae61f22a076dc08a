import { expect, it } from 'vitest'
import { parseChecksumDrops, parseLinkDrops, parseSocketDrops } from './kernel-drops.js'

it('reads drops of sockets as the kernel prints them', () => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  157: 010000C0:19EB 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41872 2 0000000000000000 17
  158: 00000000:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41873 2 0000000000000000 0
`
  expect([...parseSocketDrops(text)]).toEqual([
    [41_872, 17],
    [41_873, 0],
  ])
})

it('reads wrong UDP checksums of both families as the kernel prints them', () => {
  const v4 = `Tcp: ActiveOpens InCsumErrors
Tcp: 1 9
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
Udp: 1 2 5 4 5 6 3 0 0
UdpLite: InDatagrams InCsumErrors
UdpLite: 0 8
`
  const v6 = 'Udp6InErrors                    \t7\nUdp6InCsumErrors                \t4\nUdpLite6InCsumErrors            \t6\n'
  expect([parseChecksumDrops(v4, v6), parseChecksumDrops('', '')]).toEqual([7, 0])
})

it('reads drops and errors of links as the kernel prints them', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
  eth0: 1296264     942    1    2    0     0          0         0    84000    1000    4   38    0     0       0          0
`
  expect(Object.fromEntries(parseLinkDrops(text))).toEqual({ lo: { received: 0, sent: 0 }, eth0: { received: 3, sent: 42 } })
})
