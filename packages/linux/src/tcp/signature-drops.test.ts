import { expect, it } from 'vitest'
import { parseSignatureDrops } from './signature-drops.js'

it('finds the counters of both kinds of signatures by their names, wherever they stand', () => {
  const text = [
    'TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPAORequired TCPAOBad TCPAOKeyNotFound TCPAOGood',
    'TcpExt: 9 1 2 3 10 20 30 99',
    'IpExt: InNoRoutes TCPMD5Failure',
    'IpExt: 4 500',
    '',
  ].join('\n')
  expect(parseSignatureDrops(text)).toEqual({ unsigned: 11, unexpected: 32, wrong: 23 })
})

it('counts nothing where the kernel does not', () => {
  expect(parseSignatureDrops('TcpExt: SyncookiesSent TCPMD5NotFound\nTcpExt: 9 1\n')).toEqual({ unsigned: 1, unexpected: 0, wrong: 0 })
  expect(parseSignatureDrops('')).toEqual({ unsigned: 0, unexpected: 0, wrong: 0 })
})
