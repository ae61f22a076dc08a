import type { HealthCheckIntent } from '@heddle/core'
import { ManualClock, memoryNetwork } from '@heddle/io/testing'
import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { transportProbe } from './health-probe.js'

const CHECK: HealthCheckIntent = { type: 'tcp', interval: 1000, timeout: 500, rise: 1, fall: 1 }
const clock = new ManualClock()

/** What comes of one question to a server that answers each request with these pieces; undefined when it is well. */
async function asked(check: HealthCheckIntent, pieces: readonly string[] | 'closed' | 'nobody', address = '10.0.0.1') {
  const host = memoryNetwork({ clock }).host('pod', address)
  const requests: string[] = []
  if (pieces !== 'nobody') {
    const listener = await host.transport.listen({ address: IpAddress.parse(address), port: 80 })
    void (async () => {
      for await (const connection of listener.connections) {
        if (pieces === 'closed') connection.reset()
        else
          for await (const chunk of connection.chunks) {
            requests.push(new TextDecoder().decode(chunk))
            for (const piece of pieces) connection.write(new TextEncoder().encode(piece))
            void connection.close()
          }
      }
    })().catch(() => undefined)
  }
  const namespaces: string[] = []
  const probe = transportProbe(async (netns) => {
    namespaces.push(netns)
    return host.transport
  })
  const outcome = probe({ netns: '/run/netns/pod', address: IpAddress.parse(address), port: 80, check }, new AbortController().signal).then(
    () => undefined,
    (error: Error) => error.message,
  )
  await clock.run(1000)
  expect(namespaces).toEqual(['/run/netns/pod'])
  return { outcome: await outcome, requests }
}

const http = (more: Partial<HealthCheckIntent> = {}): HealthCheckIntent => ({ ...CHECK, type: 'http', ...more })

describe('a probe', () => {
  it('by TCP is content with a connection, and sends nothing', async () => {
    expect(await asked(CHECK, ['never sent'])).toEqual({ outcome: undefined, requests: [] })
    expect((await asked(CHECK, 'nobody')).outcome).toContain('10.0.0.1 port 80')
  })

  it.each([
    ['a status of the range', http(), ['HTTP/1.1 204 No Content\r\n\r\n'], undefined],
    ['a status in pieces, and no reason phrase', http(), ['HTT', 'P/1.0 20', '0\r', '\n'], undefined],
    ['a status of its own range', http({ status: { first: 418, last: 418 } }), ['HTTP/1.1 418 I am a teapot\r\n'], undefined],
    ['another status', http(), ['HTTP/1.1 503 Service Unavailable\r\n\r\n'], 'it answered with status 503, not 200–399'],
    ['what is no HTTP', http(), ['SSH-2.0-OpenSSH_9.2\r\n'], 'it answered "SSH-2.0-OpenSSH_9.2", which is no HTTP'],
    ['an end without an answer', http(), [], 'it answered "", which is no HTTP'],
    ['a line without an end', http(), ['x'.repeat(10_000)], 'which is no HTTP'],
  ])('by HTTP judges %s', async (_name, check, pieces, wanted) => {
    const { outcome } = await asked(check, pieces)
    if (wanted === undefined) expect(outcome).toBeUndefined()
    else expect(outcome).toContain(wanted)
  })

  it('by HTTP asks for the path, at the host that it asks', async () => {
    const { requests } = await asked(http({ path: '/healthz?full' }), ['HTTP/1.1 200 OK\r\n\r\n'], 'fd00::1')
    expect(requests.join('')).toMatch(/^GET \/healthz\?full HTTP\/1\.1\r\nHost: \[fd00::1\]:80\r\n(?:.+\r\n)*Connection: close\r\n\r\n$/)
  })

  it('fails by a connection that breaks off', async () => {
    expect((await asked(http(), 'closed')).outcome).toBeDefined()
  })
})
