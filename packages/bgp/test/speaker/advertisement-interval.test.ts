import { expect, test } from 'vitest'
import { KEEPALIVE, type Speaker } from '../../src/index.js'
import { Lab, internal, vpn } from './lab.js'
import { Puppet } from './puppet.js'

const A = '192.0.2.1'
const B = '192.0.2.2'

/** A speaker with the interval, and a peer that notes when it was sent how many routes. */
async function spaced(advertisementInterval: number): Promise<{ lab: Lab; a: Speaker; bursts: () => string[] }> {
  const lab = new Lab()
  const a = lab.speaker(A, { holdTime: 0, neighbors: [internal(B, { passive: true, advertisementInterval })] })
  await a.start()
  const puppet = await Puppet.connect(lab, B, A)
  puppet.open(B, 0)
  await lab.run(0.1)
  puppet.send(KEEPALIVE)
  await lab.run(100)
  let seen = puppet.received.length
  return {
    lab,
    a,
    bursts: () => {
      const found = puppet.received.slice(seen).flatMap((message) => {
        if (message.type !== 'update') return []
        const count = (groups: readonly { readonly nlri: readonly unknown[] }[]): number =>
          groups.reduce((sum, { nlri }) => sum + nlri.length, 0)
        return [`+${count(message.announced)} -${count(message.withdrawn)}`]
      })
      seen = puppet.received.length
      return found
    },
  }
}

test('what changes within the interval goes out together at its end (RFC 4271 §9.2.1.1)', async () => {
  const { lab, a, bursts } = await spaced(20)
  a.announce([vpn('10.0.0.1/32')])
  await lab.run(0.1)
  expect(bursts()).toEqual(['+1 -0'])
  for (let label = 100; label < 110; label++) {
    a.announce([vpn('10.0.0.2/32', { label })])
    await lab.run(1)
  }
  a.withdraw([vpn('10.0.0.1/32')])
  await lab.run(4)
  expect(bursts()).toEqual([])
  await lab.run(6) // with jitter, the interval is 15 to 20 seconds
  expect(bursts()).toEqual(['+0 -1', '+1 -0'])
})

test('a flush and a stop do not keep it', async () => {
  const { lab, a, bursts } = await spaced(20)
  a.announce([vpn('10.0.0.1/32')])
  await lab.run(0.1)
  a.announce([vpn('10.0.0.2/32')])
  await lab.run(0.1)
  expect(bursts()).toEqual(['+1 -0'])
  const flushed = a.flushed()
  await lab.run(0.1)
  await flushed
  expect(bursts()).toEqual(['+1 -0'])
  a.withdraw([vpn('10.0.0.1/32')])
  await lab.run(0.1)
  expect(bursts()).toEqual([])
  await a.stop({ graceful: true })
  await lab.run(0.1)
  expect(bursts()).toEqual(['+0 -1'])
})

test('without it everything is sent at once', async () => {
  const { lab, a, bursts } = await spaced(0)
  for (let host = 1; host <= 3; host++) {
    a.announce([vpn(`10.0.0.${host}/32`)])
    await lab.run(0.01)
  }
  expect(bursts()).toEqual(['+1 -0', '+1 -0', '+1 -0'])
})
