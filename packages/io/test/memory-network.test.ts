import { ManualClock, memoryNetwork } from '@heddle/io/testing'
import { expect, it } from 'vitest'
import type { Connection } from '@heddle/io'

async function connected(latency: number) {
  const clock = new ManualClock()
  const network = memoryNetwork({ clock, latency })
  const a = network.host('a', '192.0.2.1')
  const b = network.host('b', '192.0.2.2')
  const listener = await b.transport.listen({ address: b.addresses[0], port: 179 })
  const accepted = listener.connections[Symbol.asyncIterator]().next()
  const connecting = a.transport.connect({ remote: listener.local })
  await clock.run(latency * 2)
  return { clock, network, a, b, near: await connecting, far: (await accepted).value as Connection }
}

function record(connection: Connection): { octets: number[]; over: string | undefined } {
  const seen: { octets: number[]; over: string | undefined } = { octets: [], over: undefined }
  void (async () => {
    try {
      for await (const chunk of connection.chunks) seen.octets.push(...chunk)
      seen.over = 'end'
    } catch (error) {
      seen.over = (error as { code: string }).code
    }
  })()
  return seen
}

it('takes as long as the latency says', async () => {
  const { clock, near, far } = await connected(5)
  const seen = record(far)
  near.write(Uint8Array.of(1))
  await clock.run(4.9)
  expect(seen.octets).toEqual([])
  await clock.run(0.1)
  expect(seen.octets).toEqual([1])
})

it('says nothing to either end when a link is cut, and goes on when it is healed', async () => {
  const { clock, network, a, b, near, far } = await connected(1)
  const seen = record(far)
  network.cut(a, b)
  near.write(Uint8Array.of(1))
  await clock.run(60_000)
  near.write(Uint8Array.of(2))
  void near.close()
  await clock.run(60_000)
  expect(seen).toEqual({ octets: [], over: undefined })
  network.heal(a, b)
  await clock.run(10)
  expect(seen).toEqual({ octets: [1, 2], over: 'end' })
})

it('lets a reset get lost on a cut link, and answers later data with one', async () => {
  const { clock, network, a, b, near, far } = await connected(1)
  const seen = record(far)
  network.cut(a, b)
  near.reset()
  await clock.run(10)
  network.heal(a, b)
  await clock.run(10)
  expect(seen.over).toBeUndefined()
  far.write(Uint8Array.of(1))
  await clock.run(10)
  expect(seen.over).toBe('transport.reset')
})

it('gives up connecting over a cut link, and where no host is', async () => {
  const { clock, network, a, b } = await connected(0)
  network.cut(a, b)
  const attempt = a.transport.connect({ remote: { address: b.addresses[0], port: 179 } })
  const verdict = expect(attempt).rejects.toMatchObject({ code: 'transport.timeout' })
  await clock.run(30_000)
  await verdict
  const nowhere = a.transport.connect({
    remote: { address: network.host('c', '192.0.2.9').addresses[0], port: 1 },
    localAddress: b.addresses[0],
  })
  await expect(nowhere).rejects.toMatchObject({ code: 'transport.address-unavailable' })
})

it('ends every connection when a host terminates', async () => {
  const { clock, a, b, far } = await connected(1)
  const seen = record(far)
  a.terminate()
  await clock.run(10)
  expect(seen.over).toBe('end')
  b.terminate()
  const attempt = a.transport.connect({ remote: { address: b.addresses[0], port: 179 } })
  const verdict = expect(attempt).rejects.toMatchObject({ code: 'transport.refused' })
  await clock.run(10)
  await verdict
})

it('carries datagrams, and loses those on a cut link', async () => {
  const { clock, network, a, b } = await connected(1)
  const here = await a.openDatagramPort({ address: a.addresses[0], port: 0 })
  const there = await b.openDatagramPort({ address: b.addresses[0], port: 3784 })
  await expect(b.openDatagramPort({ address: b.addresses[0], port: 3784 })).rejects.toMatchObject({ code: 'transport.address-in-use' })
  network.cut(a, b)
  here.send(Uint8Array.of(1), there.local)
  await clock.run(5)
  network.heal(a, b)
  here.send(Uint8Array.of(2), there.local)
  await clock.run(5)
  await there.close()
  const seen = []
  for await (const { bytes, from } of there.datagrams) seen.push([bytes[0], from.port === here.local.port])
  expect(seen).toEqual([[2, true]])
})
