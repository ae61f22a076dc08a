import { IpAddress } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  DATAGRAM_DESCRIPTOR as D,
  Netlink,
  PACKET_DESCRIPTOR as P,
  PacketSocket,
  RawSocket,
  readAddressWords,
  writeAddressWords,
  type NetworkNamespace,
} from '../src/index.js'
import { because, eventually, missing, namespaces } from './support.js'

describe.skipIf(missing !== '')(`raw and packet sockets${because}`, () => {
  const made = namespaces()
  let a: NetworkNamespace
  let b: NetworkNamespace
  const open: { close(): void }[] = []
  const macs = ['02:00:00:00:0a:01', '02:00:00:00:0b:02'] as const

  beforeAll(async () => {
    ;[a, b] = [await made.create(), await made.create()]
    const [left, right] = [await Netlink.open(a), await Netlink.open(b)]
    await left.links.createVeth({ name: 'west', peer: 'east', peerNamespace: b, mac: macs[0], peerMac: macs[1] })
    for (const [netlink, link, host] of [
      [left, 'west', 1],
      [right, 'east', 2],
    ] as const) {
      await netlink.addresses.add(link, `192.0.2.${host}/24`)
      await netlink.addresses.add(link, `2001:db8::${host}/64`, { noDad: true })
      await netlink.links.change(link, { up: true, linkLocal: false })
      netlink.close()
    }
  })

  afterAll(() => {
    for (const socket of open) socket.close()
  })

  it.each([
    [4, '192.0.2.1', '192.0.2.2', false],
    [4, '192.0.2.1', '192.0.2.2', true],
    [6, '2001:db8::1', '2001:db8::2', false],
  ] as const)('carry GRE over IPv%s from %s to %s (IP header kept: %s)', async (family, from, to, keepHeader) => {
    const sender = await RawSocket.open({ namespace: a, family, protocol: 47, bind: from, ttl: 9 })
    const receiver = await RawSocket.open({
      namespace: b,
      family,
      protocol: 47,
      bind: to,
      keepHeader,
      receiveTos: true,
      receiveTtl: true,
      receiveLocal: true,
    })
    open.push(sender, receiver)
    const payload = Uint8Array.from([0x00, 0x00, 0x88, 0x47, 0x00, 0x01, 0x01, 0xff, 1, 2, 3]) // GRE, MPLS, label 16
    const descriptors = new Uint32Array(4 * D.words)
    for (let n = 0; n < 2; n++) {
      descriptors[n * D.words + D.length] = payload.length
      descriptors[n * D.words + D.tos] = n * 4
      writeAddressWords(descriptors, n * D.words + D.remote, IpAddress.parse(to))
    }
    expect(sender.sendBatch(payload, descriptors, 2)).toBe(2)
    const buffer = new Uint8Array(4 * 2048)
    const got: { bytes: number[]; tos: number; ttl: number; remote: string; local: string }[] = []
    await eventually('two packets', () => {
      const count = receiver.receiveBatch(buffer, 2048, 32, descriptors)
      for (let n = 0; n < count; n++) {
        const at = n * D.words
        const start = descriptors[at + D.offset]
        got.push({
          bytes: [...buffer.subarray(start, start + descriptors[at + D.length])],
          tos: descriptors[at + D.tos],
          ttl: descriptors[at + D.ttl],
          remote: readAddressWords(descriptors, at + D.remote, family).toString(),
          local: readAddressWords(descriptors, at + D.local, family).toString(),
        })
      }
      return got.length === 2 ? true : undefined
    })
    got.forEach((packet, n) => {
      expect(packet).toMatchObject({ tos: n * 4, ttl: 9, remote: from, local: to })
      expect(packet.bytes.slice(keepHeader ? 20 : 0)).toEqual([...payload])
      if (keepHeader) expect(packet.bytes[9]).toBe(47)
    })
    expect(() => sender.sendBatch(payload, descriptors.fill(1), 1)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
  })

  it('carry MPLS on Ethernet with MAC addresses beside it', async () => {
    const sender = await PacketSocket.open({ namespace: a, link: 'west', etherType: 0x8847 })
    const receiver = await PacketSocket.open({ namespace: b, link: 'east', etherType: 0x8847 })
    const other = await PacketSocket.open({ namespace: b, link: 'east', etherType: 0x8848 })
    open.push(sender, receiver, other)
    const payload = new Uint8Array(60).map((_, k) => k)
    const descriptors = new Uint32Array(2 * P.words)
    descriptors[P.length] = payload.length
    descriptors[P.etherType] = 0x8847
    descriptors[P.macHigh] = 0x0200
    descriptors[P.macLow] = 0x00000b02
    expect(sender.sendBatch(payload, descriptors, 1)).toBe(1)
    expect(descriptors[P.status]).toBe(0)
    const buffer = new Uint8Array(2 * 2048)
    descriptors.fill(0)
    await eventually('a packet', () => (receiver.receiveBatch(buffer, 2048, 16, descriptors) === 1 ? true : undefined))
    expect([...descriptors.subarray(0, P.words)]).toEqual([16, 60, 0x8847, 0, 0x0200, 0x00000a01, receiver.index, 0])
    expect([...buffer.subarray(16, 76)]).toEqual([...payload])
    expect(other.receiveBatch(buffer, 2048, 0, descriptors)).toBe(0)
    expect(sender.receiveBatch(buffer, 2048, 0, descriptors)).toBe(0)
  })

  it('say what is wrong', async () => {
    await expect(PacketSocket.open({ namespace: a, link: 'none', etherType: 3 })).rejects.toMatchObject({
      code: 'ENODEV',
      message: expect.stringContaining("'none'"),
    })
    await expect(RawSocket.open({ namespace: a, family: 4, protocol: 47, bind: '203.0.113.1' })).rejects.toMatchObject({
      code: 'EADDRNOTAVAIL',
    })
  })
})
