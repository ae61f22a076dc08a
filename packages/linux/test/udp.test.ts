import { IpAddress } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  DATAGRAM_DESCRIPTOR as D,
  errnoName,
  Netlink,
  readAddressWords,
  UdpBatchSocket,
  writeAddressWords,
  type NetworkNamespace,
  type UdpOptions,
} from '../src/index.js'
import { because, eventually, missing, namespaces } from './support.js'

const SLOT = 65_536

/** What was received, one entry a message. */
interface Message {
  readonly payload: Uint8Array
  readonly segment: number
  readonly status: number
  readonly remote: string
  readonly port: number
  readonly tos: number
  readonly ttl: number
  readonly local: string
  readonly link: number
}

function receive(socket: UdpBatchSocket, slot = SLOT, headroom = 0): Message[] {
  const buffer = new Uint8Array(64 * slot)
  const descriptors = new Uint32Array(64 * D.words)
  const count = socket.receiveBatch(buffer, slot, headroom, descriptors)
  return Array.from({ length: count }, (_, n) => {
    const word = (name: keyof typeof D): number => descriptors[n * D.words + D[name]]
    const address = (at: number): string => readAddressWords(descriptors, n * D.words + at, socket.family).toString()
    return {
      payload: buffer.slice(word('offset'), word('offset') + word('length')),
      segment: word('segment'),
      status: word('status'),
      remote: address(D.remote),
      port: word('port'),
      tos: word('tos'),
      ttl: word('ttl'),
      local: address(D.local),
      link: word('link'),
    }
  })
}

async function receiveOctets(socket: UdpBatchSocket, octets: number): Promise<Message[]> {
  const messages: Message[] = []
  return eventually(`${octets} octets`, () => {
    messages.push(...receive(socket))
    return messages.reduce((sum, { payload }) => sum + payload.length, 0) >= octets ? messages : undefined
  })
}

/** Descriptors of datagrams of these lengths, one behind the other in the buffer. */
function describeAll(
  lengths: readonly number[],
  to: { address: string; port: number },
  fields: Partial<Record<keyof typeof D, number>> = {},
): Uint32Array {
  const descriptors = new Uint32Array(lengths.length * D.words)
  let offset = 0
  lengths.forEach((length, n) => {
    const at = n * D.words
    for (const [name, value] of Object.entries(fields)) descriptors[at + D[name as keyof typeof D]] = value
    descriptors[at + D.offset] = offset
    descriptors[at + D.length] = length
    descriptors[at + D.port] = to.port
    writeAddressWords(descriptors, at + D.remote, IpAddress.parse(to.address))
    offset += length
  })
  return descriptors
}

function statuses(descriptors: Uint32Array): string[] {
  return Array.from({ length: descriptors.length / D.words }, (_, n) => descriptors[n * D.words + D.status]).map((errno) =>
    errno === 0 ? '' : errnoName(errno),
  )
}

const pattern = (octets: number): Uint8Array => new Uint8Array(octets).map((_, k) => (k * 7) ^ (k >> 8))

function concat(parts: readonly Uint8Array[]): number[] {
  return parts.flatMap((part) => [...part])
}

describe.skipIf(missing !== '')(`UDP in batches${because}`, () => {
  const made = namespaces()
  let a: NetworkNamespace
  let b: NetworkNamespace
  const ends = { 4: { left: '192.0.2.1', right: '192.0.2.2' }, 6: { left: '2001:db8::1', right: '2001:db8::2' } }
  const open: UdpBatchSocket[] = []

  beforeAll(async () => {
    ;[a, b] = [await made.create(), await made.create()]
    const [left, right] = [await Netlink.open(a), await Netlink.open(b)]
    await left.links.createVeth({ name: 'west', peer: 'east', peerNamespace: b, mtu: 1500 })
    for (const [netlink, link, side] of [
      [left, 'west', 'left'],
      [right, 'east', 'right'],
    ] as const) {
      await netlink.addresses.add(link, `${ends[4][side]}/24`)
      await netlink.addresses.add(link, `${ends[6][side]}/64`, { noDad: true })
      await netlink.links.change(link, { up: true, linkLocal: false })
      netlink.close()
    }
  })

  afterAll(() => {
    for (const socket of open) socket.close()
  })

  async function sockets(
    family: 4 | 6,
    leftOptions: Partial<UdpOptions> = {},
    rightOptions: Partial<UdpOptions> = {},
  ): Promise<[UdpBatchSocket, UdpBatchSocket]> {
    const { left, right } = ends[family]
    const from = await UdpBatchSocket.open({ namespace: a, bind: { address: left, port: 0 }, ...leftOptions })
    const to = await UdpBatchSocket.open({ namespace: b, bind: { address: right, port: 0 }, receiveBuffer: 4 << 20, ...rightOptions })
    open.push(from, to)
    return [from, to]
  }

  describe.each([4, 6] as const)('over IPv%s', (family) => {
    it('arrives with its source, in slots with headroom', async () => {
      const [from, to] = await sockets(family)
      const data = pattern(600)
      const descriptors = describeAll([100, 200, 300], to.local)
      expect(from.sendBatch(data, descriptors, 3)).toBe(3)
      const messages: Message[] = []
      await eventually('three datagrams', () => messages.push(...receive(to, 2048, 128)) >= 3 || undefined)
      expect(messages.map(({ payload }) => payload.length)).toEqual([100, 200, 300])
      expect(concat(messages.map(({ payload }) => payload))).toEqual([...data])
      for (const message of messages)
        expect(message).toMatchObject({ remote: ends[family].left, port: from.local.port, segment: 0, status: 0 })
      expect(receive(to)).toEqual([])
    })

    it.each([
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ])('is the same with gso %s and gro %s', async (gso, gro) => {
      const [from, to] = await sockets(family, { gso }, { gro })
      // Runs of equal length, a shorter last one, single ones, a change of length: 300 datagrams.
      const lengths = Array.from({ length: 300 }, (_, n) => (n % 50 === 49 ? 333 : n % 97 === 5 ? 1 : 1200))
      const data = pattern(lengths.reduce((sum, length) => sum + length, 0))
      const descriptors = describeAll(lengths, to.local)
      let sent = 0
      await eventually('all sent', () => {
        const rest = descriptors.subarray(sent * D.words)
        sent += from.sendBatch(data, rest, lengths.length - sent)
        return sent === lengths.length ? true : undefined
      })
      expect(statuses(descriptors)).toEqual(lengths.map(() => ''))
      const messages = await receiveOctets(to, data.length)
      const datagrams = messages.flatMap(({ payload, segment }) => {
        if (segment === 0) return [payload]
        return Array.from({ length: Math.ceil(payload.length / segment) }, (_, n) => payload.subarray(n * segment, (n + 1) * segment))
      })
      expect(datagrams.map(({ length }) => length)).toEqual(lengths)
      expect(Buffer.compare(Buffer.concat(datagrams), data)).toBe(0)
      if (gso && gro) expect(messages.length).toBeLessThan(lengths.length / 5)
    })

    it('is sent segmented as the descriptor says', async () => {
      const [from, to] = await sockets(family)
      const data = pattern(10_007)
      expect(from.sendBatch(data, describeAll([data.length], to.local, { segment: 1000 }), 1)).toBe(1)
      const messages = await receiveOctets(to, data.length)
      expect(messages.map(({ payload }) => payload.length)).toEqual([...Array.from({ length: 10 }, () => 1000), 7])
    })

    it('tells TOS, TTL and local address, and takes them from descriptors', async () => {
      const [from, to] = await sockets(family, { tos: 8, ttl: 77 }, { receiveTos: true, receiveTtl: true, receiveLocal: true })
      const descriptors = new Uint32Array([
        ...describeAll([10], to.local, { tos: 8 }),
        ...describeAll([10], to.local, { tos: 0xb9, ttl: 5 }),
        ...describeAll([10], to.local, { tos: 0 }),
      ])
      expect(from.sendBatch(pattern(10), descriptors, 3)).toBe(3)
      const messages = await receiveOctets(to, 30)
      expect(messages.map(({ tos, ttl }) => [tos, ttl])).toEqual([
        [8, 77],
        [0xb9, 5],
        [0, 77],
      ])
      const east = await Netlink.open(b)
      const { index } = await east.links.get('east')
      east.close()
      for (const message of messages) expect(message).toMatchObject({ local: ends[family].right, link: index })
    })

    it('takes the source address from the descriptor', async () => {
      const any = family === 4 ? '0.0.0.0' : '::'
      const [from, to] = await sockets(family, { bind: { address: any, port: 0 } })
      const netlink = await Netlink.open(a)
      const second = family === 4 ? '192.0.2.51' : '2001:db8::51'
      await netlink.addresses.add('west', `${second}/${family === 4 ? 24 : 64}`, { noDad: true })
      netlink.close()
      const descriptors = describeAll([4], to.local)
      writeAddressWords(descriptors, D.local, IpAddress.parse(second))
      expect(from.sendBatch(pattern(4), descriptors, 1)).toBe(1)
      expect((await receiveOctets(to, 4))[0]).toMatchObject({ remote: second })
    })

    it('goes to the connected end when the descriptor names none', async () => {
      const [, to] = await sockets(family)
      const from = await UdpBatchSocket.open({ namespace: a, bind: { address: ends[family].left, port: 0 }, connect: to.local })
      open.push(from)
      const descriptors = new Uint32Array(D.words)
      descriptors[D.length] = 5
      expect(from.sendBatch(pattern(5), descriptors, 1)).toBe(1)
      expect(await receiveOctets(to, 5)).toHaveLength(1)
    })

    it('has zero checksums only when both ends agree', async () => {
      const [from, to] = await sockets(family, { zeroChecksumTx: true, gso: true }, { zeroChecksumRx: true })
      const data = pattern(3000)
      expect(from.sendBatch(data, describeAll([1000, 1000, 1000], to.local), 3)).toBe(3)
      expect(await receiveOctets(to, data.length)).toHaveLength(3)
      const segmented = describeAll([3000], to.local, { segment: 1000 })
      expect(() => from.sendBatch(data, segmented, 1)).toThrow(
        expect.objectContaining({ code: 'EINVAL', message: expect.stringContaining('zero checksums') }),
      )
      if (family === 6) {
        const [, strict] = await sockets(6)
        expect(from.sendBatch(data, describeAll([1000], strict.local), 1)).toBe(1)
        await new Promise((resolve) => setTimeout(resolve, 50))
        expect(receive(strict)).toEqual([])
      }
    })

    it('names what the kernel refuses and sends the rest', async () => {
      const [from, to] = await sockets(family, { pathMtu: 'discover', gso: true })
      const nowhere = family === 4 ? '198.51.100.1' : '2001:db8:ffff::1'
      const descriptors = new Uint32Array([
        ...describeAll([10], to.local),
        ...describeAll([1400, 1400, 9000, 9000, 20], to.local),
        ...describeAll([10], { address: nowhere, port: 9 }),
        ...describeAll([10], to.local),
      ])
      expect(from.sendBatch(pattern(25_000), descriptors, 8)).toBe(8)
      expect(statuses(descriptors)).toEqual(['', '', '', 'EMSGSIZE', 'EMSGSIZE', '', 'ENETUNREACH', ''])
      expect((await receiveOctets(to, 2840)).length).toBe(5)
    })

    it('is fragmented where it may be, joined or not', async () => {
      const [from, to] = await sockets(family, { pathMtu: 'fragment', gso: true })
      const data = pattern(12_000)
      const descriptors = describeAll([4000, 4000, 4000], to.local)
      expect(from.sendBatch(data, descriptors, 3)).toBe(3)
      expect(statuses(descriptors)).toEqual(['', '', ''])
      expect((await receiveOctets(to, data.length)).map(({ payload }) => payload.length)).toEqual([4000, 4000, 4000])
    })

    it('marks what a slot cut off', async () => {
      const [from, to] = await sockets(family)
      expect(from.sendBatch(pattern(500), describeAll([500], to.local), 1)).toBe(1)
      const [message] = await eventually('a datagram', () => {
        const got = receive(to, 100)
        return got.length > 0 ? got : undefined
      })
      expect(message).toMatchObject({ status: 90 })
      expect(message?.payload.length).toBe(100)
    })
  })

  it('refuses what cannot be', async () => {
    const [from, to] = await sockets(4)
    const outside = describeAll([100], to.local)
    expect(() => from.sendBatch(new Uint8Array(99), outside, 1)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    expect(() => from.sendBatch(new Uint8Array(100), describeAll([1], to.local, { tos: 256 }), 1)).toThrow(
      expect.objectContaining({ code: 'EINVAL' }),
    )
    await expect(sockets(4, { bind: to.local })).rejects.toMatchObject({
      code: 'EADDRNOTAVAIL',
      message: expect.stringContaining(to.local.address),
    })
    await expect(sockets(4, { bind: from.local })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await expect(sockets(4, { bind: { address: 'x', port: 0 } })).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(sockets(4, { connect: { address: '::1', port: 1 } })).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(sockets(4, { link: 'none' })).rejects.toMatchObject({ code: 'ENODEV' })
    from.close()
    expect(() => from.sendBatch(new Uint8Array(1), outside, 1)).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })

  it('shares a port', async () => {
    const [, to] = await sockets(4, {}, { reusePort: true })
    const second = await UdpBatchSocket.open({ namespace: b, bind: to.local, reusePort: true })
    expect(second.local).toEqual(to.local)
    second.close()
  })
})
