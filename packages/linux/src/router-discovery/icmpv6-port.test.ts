import { encodeIcmpv6, icmpv6Size, IpAddress, type Icmpv6Message } from '@heddle/wire'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { DATAGRAM_BATCH, DATAGRAM_DESCRIPTOR as D, writeAddressWords } from '../datagram-descriptor.js'
import { RawSocket } from '../raw-socket.js'
import type { Readiness } from '../tcp/readiness.js'
import { Icmpv6Port } from './icmpv6-port.js'
import { ALL_ROUTERS } from './router-protocol.js'

const SOLICITATION: Icmpv6Message = { type: 'router-solicitation' }
const SENDER = IpAddress.parse('fe80::2')

/** A socket that always has as many messages as there is room for. */
function flooded(): { readonly socket: RawSocket; readonly batches: () => number } {
  const message = new Uint8Array(icmpv6Size(SOLICITATION))
  encodeIcmpv6(SOLICITATION, SENDER, ALL_ROUTERS, new DataView(message.buffer), 0)
  let batches = 0
  const receiveBatch = (buffer: Uint8Array, slot: number, _headroom: number, words: Uint32Array): number => {
    if (++batches > 100) throw new RangeError('the event loop stands still')
    for (let index = 0; index < DATAGRAM_BATCH; index++) {
      const at = index * D.words
      buffer.set(message, index * slot)
      words.fill(0, at, at + D.words)
      words[at + D.offset] = index * slot
      words[at + D.length] = message.length
      words[at + D.ttl] = 255
      writeAddressWords(words, at + D.remote, SENDER)
      writeAddressWords(words, at + D.local, ALL_ROUTERS)
    }
    return DATAGRAM_BATCH
  }
  return { socket: { fd: 0, receiveBatch, close: () => undefined } as unknown as RawSocket, batches: () => batches }
}

describe('messages of router discovery', () => {
  afterEach(() => vi.restoreAllMocks())

  // Somebody on the link who sent them fast enough ended everything else that the process did.
  it('are read a batch at a time, however many somebody on the link sends', async () => {
    const { socket, batches } = flooded()
    vi.spyOn(RawSocket, 'open').mockResolvedValue(socket)
    let ready = (): void => undefined
    const rearm = vi.fn()
    const watch = (_fd: number, _interest: number, told: () => void): unknown => {
      ready = told
      return { rearm, close: () => undefined }
    }
    const [received, failed] = [vi.fn(), vi.fn()]
    const readiness = { watch } as unknown as Readiness
    const port = await Icmpv6Port.open({ device: 'eth0', namespace: undefined, readiness, received, failed })
    ready()
    expect([batches(), received.mock.calls.length, rearm.mock.calls.length, failed.mock.calls]).toEqual([1, DATAGRAM_BATCH, 1, []])
    expect(received).toHaveBeenLastCalledWith({ message: SOLICITATION, source: SENDER, hopLimit: 255 })
    port.close()
  })
})
