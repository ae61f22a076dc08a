import { IpAddress } from '@heddle/wire'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FILTERED } from '../src/bfd-filter.js'
import {
  BfdSockets,
  DATAGRAM_DESCRIPTOR as D,
  Netlink,
  Poller,
  UdpBatchSocket,
  writeAddressWords,
  type BfdExpected,
  type NetworkNamespace,
} from '../src/index.js'
import { because, missing, namespaces } from './support.js'

const ADDRESSES = {
  4: { near: '192.0.2.1', far: '192.0.2.2', stranger: '192.0.2.3' },
  6: { near: '2001:db8::1', far: '2001:db8::2', stranger: '2001:db8::3' },
} as const
const PORTS = { single: 3784, multiple: 4784 } as const
const OURS = 0xfedc_ba98
/** As many packets as no receive buffer has room for. */
const FLOOD = 20_000
const BATCH = 64
/** Octets of the packet behind all others. */
const LAST = 25

/** A control packet (RFC 5880 §4.1) that says no more than whom it is for. */
function packet(yours: number, { version = 1, length = 24 } = {}): Uint8Array {
  const bytes = new Uint8Array(length)
  bytes.set([version << 5, 1 << 6, 3, length])
  new DataView(bytes.buffer).setUint32(8, yours)
  return bytes
}

describe.skipIf(missing !== '')(`sockets of BFD sessions${because}`, () => {
  const made = namespaces()
  let near: NetworkNamespace
  let far: NetworkNamespace
  beforeAll(async () => {
    ;[near, far] = [await made.create(), await made.create()]
    using here = await Netlink.open(near)
    using there = await Netlink.open(far)
    await here.links.createVeth({ name: 'up0', peer: 'up0', peerNamespace: far, mtu: 1500 })
    for (const [netlink, ends] of [
      [here, ['near']],
      [there, ['far', 'stranger']],
    ] as const) {
      for (const end of ends) {
        await netlink.addresses.add('up0', `${ADDRESSES[4][end]}/24`)
        await netlink.addresses.add('up0', `${ADDRESSES[6][end]}/64`, { noDad: true })
      }
      await netlink.links.change('up0', { up: true, linkLocal: false })
    }
  })

  describe.each([
    { family: 4, hops: 'single' },
    { family: 4, hops: 'multiple' },
    { family: 6, hops: 'single' },
    { family: 6, hops: 'multiple' },
  ] as const)('over IPv$family, $hops hop(s) away', ({ family, hops }) => {
    const local = IpAddress.parse(ADDRESSES[family].near)
    let poller: Poller
    let sockets: BfdSockets
    let senders: Record<'far' | 'stranger' | 'passed', UdpBatchSocket>
    let heard: string[]
    let expected: BfdExpected[]
    beforeEach(async () => {
      poller = Poller.open()
      sockets = await BfdSockets.open([local], near)
      const sender = (name: 'far' | 'stranger', ttl: number): Promise<UdpBatchSocket> =>
        UdpBatchSocket.open({ namespace: far, bind: { address: ADDRESSES[family][name], port: 0 }, ttl })
      senders = { far: await sender('far', 255), stranger: await sender('stranger', 255), passed: await sender('far', 60) }
      heard = []
      expected = [session('up')]
      sockets.serve(
        poller,
        (_local, remote, _hops, ttl, bytes) => {
          const yours = new DataView(bytes.buffer, bytes.byteOffset).getUint32(8)
          heard.push(bytes.length === LAST ? 'last' : `${remote} ${ttl} ${yours}`)
        },
        undefined,
        () => expected,
      )
      await setImmediate()
    })
    afterEach(() => {
      for (const socket of Object.values(senders)) socket.close()
      sockets.close()
      poller.close()
    })

    const session = (state: string, discriminator = OURS, remote: string = ADDRESSES[family].far): BfdExpected => ({
      path: { local, remote: IpAddress.parse(remote), hops },
      state,
      discriminator,
    })
    const send = (from: keyof typeof senders, bytes: Uint8Array, count = 1): void => {
      const descriptors = new Uint32Array(BATCH * D.words)
      const payload = new Uint8Array(BATCH * bytes.length)
      for (let message = 0; message < BATCH; message++) {
        payload.set(bytes, message * bytes.length)
        descriptors[message * D.words + D.offset] = message * bytes.length
        descriptors[message * D.words + D.length] = bytes.length
        descriptors[message * D.words + D.port] = PORTS[hops]
        writeAddressWords(descriptors, message * D.words + D.remote, local)
      }
      for (let sent = 0; sent < count; sent += BATCH) senders[from].sendBatch(payload, descriptors, Math.min(BATCH, count - sent))
    }
    /** What comes in of what is sent, up to a last packet that does. */
    const comesIn = async (sends: () => void): Promise<string[]> => {
      heard.length = 0
      sends()
      send('far', packet(OURS, { length: LAST }))
      await expect.poll(() => heard.at(-1)).toBe('last')
      return heard.slice(0, -1)
    }
    const { far: farEnd, stranger } = ADDRESSES[family]

    // A hundred thousand a second, from anywhere, took the room of all sessions, and all paths were down.
    it('leaves the packets of sessions their room when it is flooded with those of nobody', async () => {
      expect(await comesIn(() => send('stranger', packet(0), FLOOD))).toEqual([])
      expect(await comesIn(() => send('far', packet(OURS ^ 1), FLOOD))).toEqual([])
      expect(await comesIn(() => send('far', packet(OURS, { version: 2 }), FLOOD))).toEqual([])
      expect(await comesIn(() => send('far', packet(OURS, { length: 23 }), FLOOD))).toEqual([])
      if (hops === 'single') expect(await comesIn(() => send('passed', packet(OURS), FLOOD))).toEqual([])
      else expect(await comesIn(() => send('far', packet(0), FLOOD))).toEqual([])
    })

    it('lets in what may be of a session: by its discriminator, or by the far end of one that is to begin', async () => {
      const all = (): void => {
        for (const from of ['far', 'stranger'] as const) for (const yours of [0, OURS, 7]) send(from, packet(yours))
      }
      const own = [`${farEnd} 255 ${OURS}`, `${stranger} 255 ${OURS}`]
      const begins = `${farEnd} 255 0`
      expect(await comesIn(all)).toEqual(hops === 'single' ? [begins, ...own] : own)
      expected = [session('down')]
      sockets.expect()
      await setImmediate()
      expect(await comesIn(all)).toEqual([begins, ...own])
      expected.push(session('down', 7, stranger))
      sockets.expect()
      await setImmediate()
      expect(await comesIn(all)).toHaveLength(6)
    })

    it('lets in all that has the form, when sessions are more than a filter has room for, and all to whom it is handed over', async () => {
      const many = (count: number): BfdExpected[] =>
        Array.from({ length: count }, (_, n) => session('down', OURS + n, family === 4 ? `198.51.100.${n}` : `2001:db8:1::${n}`))
      for (const [count, comes] of [
        [FILTERED, []],
        [FILTERED + 1, [`${stranger} 255 0`, `${stranger} 255 7`]],
      ] as const) {
        expected = many(count)
        sockets.expect()
        await setImmediate()
        const sends = (): void => {
          for (const yours of [0, 7]) send('stranger', packet(yours))
          send('stranger', packet(0, { version: 3 }))
        }
        expect(await comesIn(sends)).toEqual(comes)
      }
      sockets.pause()
      send('stranger', packet(8, { version: 3 }))
      sockets.serve(poller, (_local, remote) => heard.push(String(remote)))
      await expect.poll(() => heard).toContain(stranger)
    })
  })
})
