import { IpAddress } from '@heddle/wire'
import { seededRandom } from '@heddle/io/testing'
import { describe, expect, it } from 'vitest'
import {
  BmpStation,
  IPV4_UNICAST,
  MrtStream,
  RTC,
  VPNV4_UNICAST,
  decodeBmp,
  decodeMrt,
  decodeRtr,
  encodeMessage,
  rtrLength,
} from '../../src/index.js'
import { KEEPALIVE } from '../../src/message/keepalive.js'
import { Lab, internal, isUp } from '../speaker/lab.js'
import { Puppet } from '../speaker/puppet.js'
import { bytes } from './cve-cases.js'
import { update } from './rfc7606-table.js'

/* What crashed others elsewhere than in an OPEN or UPDATE. */

describe('CVE-2025-43970 (m): MRT records whose lengths lie', () => {
  it.each([
    ['a length beyond the file', '00000000000d0001ffffffffc0000201'],
    ['a peer index table with fewer peers than it counts', '00000000000d00010000000ac000020100000002ff00'],
    ['a RIB entry with attributes beyond the record', '00000000000d00020000000f00000000200a0000010001000000000000ffff'],
    ['a prefix longer than its family', '00000000000d00020000000700000000ff0a0001'],
  ])('%s', (_what, hex) => {
    const octets = bytes(hex)
    expect(decodeMrt(octets).ok).toBe(false)
    const stream = new MrtStream()
    expect([...stream.push(octets), stream.end()].some((result) => result !== undefined)).toBe(true)
  })
})

describe('CVE-2025-43971, -43972 (m), OpenBGPD 2026-05: RTR PDUs shorter than their header, or than what they are', () => {
  it.each([
    '0104000000000000',
    '0104000000000007',
    '010400000000000c01181800',
    '0106000000000010',
    '010a000100000008',
    '010a00010000000c00000020',
  ])('%s', (hex) => {
    expect(decodeRtr(bytes(hex)).ok).toBe(false)
  })
  it('says nothing of the length of half a header', () => {
    expect(rtrLength(bytes('0104'))).toBeUndefined()
  })
})

describe('CVE-2026-7737 (m): BMP peer-up and statistics bodies that are cut off', () => {
  const peer = `00${'00'.repeat(41)}`
  it.each([
    ['peer-up without its OPENs', 3, peer + '00'.repeat(20)],
    ['peer-up with half an OPEN', 3, `${peer}${'00'.repeat(20)}${'ff'.repeat(16)}001d`],
    ['statistics that count more than they have', 1, `${peer}0000000a0000000400000001`],
    ['a statistic longer than the message', 1, `${peer}0000000100000fff00`],
  ])('%s', (_what, type, body) => {
    const length = (6 + body.length / 2).toString(16).padStart(8, '0')
    const octets = bytes(`03${length}0${type}${body}`)
    expect(decodeBmp(octets).ok).toBe(false)
    expect(() => [...new BmpStation().push(octets)]).not.toThrow()
  })
})

describe('GHSA-frrj-87jh-2772: an empty AS_PATH from another member AS of the confederation', () => {
  it('is not used, and what comes behind it is (RFC 5065 §5)', async () => {
    const lab = new Lab()
    const [us, member] = ['192.0.2.1', '192.0.2.2'] as const
    const a = lab.speaker(us, {
      confederation: { id: 64_999, members: [65_001] },
      neighbors: [{ address: member, as: 65_001, passive: true, families: ['ipv4-unicast'] }],
    })
    await a.start()
    const puppet = await Puppet.connect(lab, member, us)
    puppet.open(member, 90, { as: 65_001, families: [IPV4_UNICAST] })
    await lab.run(0.1)
    puppet.send(KEEPALIVE)
    const attributes = (path: string): string => `40010100${path}4003040a00000140050400000064`
    puppet.send(update('', attributes('400200'), '18c00002'))
    puppet.send(update('', attributes('40020603010000fde9'), '18cb0071'))
    await lab.run(0.1)
    expect([...a.routes({ family: 'ipv4-unicast' })].map(({ invalid }) => invalid)).toEqual(['confederation-segment', undefined])
    expect(isUp(a, member)).toBe(true)
    await a.stop()
  })
})

describe('CVE-2025-59688: a NOTIFICATION at the wrong moment', () => {
  const families = [VPNV4_UNICAST, RTC]
  const moments: readonly (readonly [string, (puppet: Puppet, lab: Lab) => Promise<void>])[] = [
    ['before the OPEN', async () => undefined],
    ['behind the OPEN', async (puppet) => puppet.open('192.0.2.2', 9, { families })],
    [
      'in Established, twice',
      async (puppet, lab) => {
        puppet.open('192.0.2.2', 9, { families })
        await lab.run(0.1)
        puppet.send(KEEPALIVE)
        puppet.send(encodeMessage({ type: 'notification', code: 6, subcode: 4, data: new Uint8Array() }))
      },
    ],
  ]
  it.each(moments)('%s', async (_when, lead) => {
    const lab = new Lab()
    const a = lab.speaker('192.0.2.1', { neighbors: [internal('192.0.2.2', { passive: true, families: ['vpnv4-unicast', 'rtc'] })] })
    await a.start()
    const random = seededRandom(1)
    for (let round = 0; round < 10; round++) {
      const puppet = await Puppet.connect(lab, '192.0.2.2', '192.0.2.1')
      await lead(puppet, lab)
      puppet.send(
        encodeMessage({
          type: 'notification',
          code: 1 + (random.uint32() % 8),
          subcode: random.uint32() % 12,
          data: IpAddress.v4(round).toBytes(),
        }),
      )
      puppet.send(KEEPALIVE)
      await lab.run(5)
    }
    expect(lab.logs.records.filter(({ level }) => level === 'error')).toEqual([])
    const last = await Puppet.connect(lab, '192.0.2.2', '192.0.2.1')
    last.open('192.0.2.2', 9, { families })
    await lab.run(0.1)
    last.send(KEEPALIVE)
    await lab.run(0.1)
    expect(isUp(a, '192.0.2.2')).toBe(true)
    await a.stop()
  })
})
