import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { captureUnderlay, memoryUnderlay, type UnderlayFrame } from './index.js'

const A = IpAddress.parse('192.0.2.1')
const B = IpAddress.parse('192.0.2.2')
const C = IpAddress.parse('192.0.2.3')

function frame(source: IpAddress, destination: IpAddress, length = 20): UnderlayFrame {
  return { payload: 'ip', source, destination, bytes: new Uint8Array(length).fill(0x45) }
}

describe('memory underlay', () => {
  it('delivers by destination, in order, also what a receiver sends in turn', () => {
    const underlay = memoryUnderlay()
    const order: string[] = []
    underlay.attach(B, ({ source }) => {
      order.push(`b from ${source}`)
      if (source.equals(A)) underlay.transmit(frame(B, A))
      order.push('b done')
    })
    const detach = underlay.attach(A, ({ source }) => order.push(`a from ${source}`))
    underlay.transmit(frame(A, B))
    expect(order).toEqual(['b from 192.0.2.1', 'b done', 'a from 192.0.2.2'])
    detach()
    underlay.transmit(frame(B, A))
    expect(order).toHaveLength(3)
  })

  it('tells observers the fate of each frame', () => {
    let draws = 0
    const underlay = memoryUnderlay({ mtu: 100, random: { uint32: () => (draws++ % 2 === 0 ? 0 : 0xffffffff) } })
    const fates: string[] = []
    underlay.observe((_, fate) => fates.push(fate))
    underlay.attach(B, () => undefined)
    underlay.transmit(frame(A, B, 101))
    underlay.transmit(frame(A, C))
    const heal = underlay.cut(B, A)
    underlay.transmit(frame(A, B))
    heal()
    underlay.transmit(frame(A, B))
    underlay.loss = 0.5
    underlay.transmit(frame(A, B))
    underlay.transmit(frame(A, B))
    expect(fates).toEqual(['too-big', 'unreachable', 'cut', 'delivered', 'lost', 'delivered'])
  })

  it('drops what exceeds a path that is narrower, as long as it is, and tells who watches', () => {
    const underlay = memoryUnderlay({ mtu: 100 })
    const fates: string[] = []
    const told: string[] = []
    underlay.observe((_, fate) => fates.push(fate))
    for (const address of [B, C]) underlay.attach(address, () => undefined)
    const stop = underlay.watchPaths((destination, mtu) => told.push(`${destination} ${mtu}`))
    underlay.narrow(B, 60)
    for (const [to, length] of [
      [B, 60],
      [B, 61],
      [C, 100],
    ] as const)
      underlay.transmit(frame(A, to, length))
    underlay.narrow(B, undefined)
    underlay.transmit(frame(A, B, 100))
    stop()
    underlay.narrow(C, 60)
    expect([fates, told]).toEqual([
      ['delivered', 'too-big', 'delivered', 'delivered'],
      [`${B} 60`, `${B} undefined`],
    ])
  })

  it('is captured as Ethernet, MPLS under its own EtherType', () => {
    const underlay = memoryUnderlay()
    underlay.attach(B, () => undefined)
    const chunks: Uint8Array[] = []
    const stop = captureUnderlay(underlay, (chunk) => chunks.push(chunk), { now: () => 1.5 })
    underlay.transmit(frame(A, B))
    underlay.transmit({ ...frame(A, B), payload: 'mpls' })
    stop()
    underlay.transmit(frame(A, B))
    const packets = chunks.slice(2)
    expect(packets.map((chunk) => chunk[28 + 12] * 256 + chunk[28 + 13])).toEqual([0x0800, 0x8847])
    expect([...packets[0].subarray(28, 40)]).toEqual([2, 0, 192, 0, 2, 2, 2, 0, 192, 0, 2, 1])
  })
})
