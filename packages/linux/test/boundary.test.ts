import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  DATAGRAM_DESCRIPTOR,
  LinuxError,
  Netlink,
  PacketSocket,
  PACKET_DESCRIPTOR,
  RawSocket,
  TUN_DESCRIPTOR,
  TunDevice,
  UdpBatchSocket,
  splitTrain,
} from '../src/index.js'
import { because, missing, namespaces } from './support.js'

/** Numbers that are near what is allowed, and numbers that are not. */
const word = fc.oneof(fc.nat(64), fc.nat(3000), fc.constantFrom(0, 1, 255, 256, 65_535, 65_536, 0x7fffffff, 0xffffffff), fc.nat(0xffffffff))

/** Nothing but an error of this package may come out, whatever stands in the descriptors, and nothing outside the buffers may change. */
function survives(work: () => number, most: number): void {
  try {
    const count = work()
    expect(count).toBeGreaterThanOrEqual(0)
    expect(count).toBeLessThanOrEqual(most)
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error
    expect(error.code).toMatch(/^E[A-Z]+$/)
  }
}

describe.skipIf(missing !== '')(`any descriptors and slots${because}`, () => {
  const made = namespaces()

  it('are carried out or refused', async () => {
    const namespace = await made.create()
    const end = { address: '127.0.0.1', port: 0 }
    const netlink = await Netlink.open(namespace)
    await netlink.links.change('lo', { up: true })
    netlink.close()
    const devices = {
      tun: await TunDevice.open({ name: 'any0', namespace, offload: true, addresses: ['10.8.0.1/24'] }),
      plain: await TunDevice.open({ name: 'any1', namespace, addresses: ['10.8.1.1/24'] }),
      udp: await UdpBatchSocket.open({ namespace, bind: end, gso: true, gro: true }),
      udp6: await UdpBatchSocket.open({ namespace, bind: { address: '::', port: 0 }, gso: true }),
      raw: await RawSocket.open({ namespace, family: 4, protocol: 47 }),
      packet: await PacketSocket.open({ namespace, link: 'any1', etherType: 0x0800 }),
    }
    const guarded = new Uint8Array(8192 + 64).fill(0xa5)
    const buffer = guarded.subarray(32, 32 + 8192)
    const outside = (): boolean => [...guarded.subarray(0, 32), ...guarded.subarray(32 + 8192)].every((octet) => octet === 0xa5)

    const sending: [string, number, (descriptors: Uint32Array, count: number) => number][] = [
      ['tun', TUN_DESCRIPTOR.words, (descriptors, count) => devices.tun.writeBatch(buffer, descriptors, count)],
      ['plain', TUN_DESCRIPTOR.words, (descriptors, count) => devices.plain.writeBatch(buffer, descriptors, count)],
      ['udp', DATAGRAM_DESCRIPTOR.words, (descriptors, count) => devices.udp.sendBatch(buffer, descriptors, count)],
      ['udp6', DATAGRAM_DESCRIPTOR.words, (descriptors, count) => devices.udp6.sendBatch(buffer, descriptors, count)],
      ['raw', DATAGRAM_DESCRIPTOR.words, (descriptors, count) => devices.raw.sendBatch(buffer, descriptors, count)],
      ['packet', PACKET_DESCRIPTOR.words, (descriptors, count) => devices.packet.sendBatch(buffer, descriptors, count)],
    ]
    for (const [, words, send] of sending) {
      fc.assert(
        fc.property(fc.array(word, { maxLength: words * 5 }), fc.nat(6), (content, count) => {
          buffer.fill(0x45)
          survives(() => send(Uint32Array.from(content), count), Math.min(count, Math.floor(content.length / words)))
        }),
        { numRuns: 300 },
      )
    }

    type Receive = (buffer: Uint8Array, slot: number, headroom: number, descriptors: Uint32Array) => number
    const receiving: Receive[] = [devices.udp, devices.udp6, devices.raw, devices.packet].map((socket) => socket.receiveBatch.bind(socket))
    const reading = [devices.tun, devices.plain].map(
      (device): Receive =>
        (octets, _slot, headroom, descriptors) =>
          device.readBatch(octets, headroom, descriptors),
    )
    const unpacking = (['mpls', 'vxlan'] as const).map(
      (carries): Receive =>
        (octets, slot, headroom, descriptors) =>
          devices.udp.receivePackets(octets, slot >>> 1, slot, headroom, carries, descriptors),
    )
    const splitting: Receive = (octets, slot, headroom, descriptors) =>
      descriptors.length < 5
        ? 0
        : splitTrain(
            octets,
            { offset: slot & 255, length: slot, headers: 28, size: headroom, stride: headroom },
            4,
            slot,
            headroom,
            descriptors,
          )
    for (const receive of [...receiving, ...reading, ...unpacking, splitting]) {
      fc.assert(
        fc.property(word, word, fc.nat(200), fc.nat(8192), (slot, headroom, words, octets) => {
          survives(() => receive(buffer.subarray(0, octets), slot, headroom, new Uint32Array(words)), 64)
          expect(outside()).toBe(true)
        }),
        { numRuns: 300 },
      )
    }
    for (const device of Object.values(devices)) device.close()
  })
})
