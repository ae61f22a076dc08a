import { describe, expect, it } from 'vitest'
import { Lab, follow, internal, isUp, neighbor, vpn, vpnRoutes } from './lab.js'

const A = '192.0.2.1'
const B = '192.0.2.2'

async function pair(): Promise<{ lab: Lab; a: ReturnType<Lab['speaker']>; b: ReturnType<Lab['speaker']> }> {
  const lab = new Lab()
  const a = lab.speaker(A, { neighbors: [internal(B)] })
  const b = lab.speaker(B, { neighbors: [internal(A)] })
  await Promise.all([a.start(), b.start()])
  await lab.until(() => isUp(a, B) && isUp(b, A), 'established')
  return { lab, a, b }
}

describe('two speakers', () => {
  it('exchange VPNv4 and VPNv6 routes both ways', async () => {
    const { lab, a, b } = await pair()
    a.announce([vpn('10.1.0.1/32', { label: 17 }), vpn('2001:db8::1/128', { label: 18 })])
    b.announce([vpn('10.1.0.2/32', { label: 19 }), vpn('2001:db8::2/128', { label: 20, nextHop: '192.0.2.9' })])
    await lab.run(1)
    expect(vpnRoutes(b)).toEqual([`65000:1 10.1.0.1/32 label 17 via ${A}`, `65000:1 2001:db8::1/128 label 18 via ::ffff:${A}`])
    expect(vpnRoutes(a)).toEqual([`65000:1 10.1.0.2/32 label 19 via ${B}`, `65000:1 2001:db8::2/128 label 20 via ::ffff:192.0.2.9`])
    a.withdraw([vpn('10.1.0.1/32')])
    await lab.run(1)
    expect(vpnRoutes(b)).toEqual([`65000:1 2001:db8::1/128 label 18 via ::ffff:${A}`])
    expect(neighbor(a, B).families.find(({ family }) => family === 'vpnv6-unicast')).toEqual({
      family: 'vpnv6-unicast',
      received: 1,
      stale: 0,
      sent: 1,
    })
  })

  it('keep the session up while nothing happens, and end it with a text', async () => {
    const { lab, a, b } = await pair()
    await lab.run(120)
    expect(neighbor(a, B).established).toBe(1)
    await a.stop({ message: 'maintenance' })
    await lab.run(0.5)
    expect(neighbor(b, A).lastNotification).toMatchObject({ direction: 'received', code: 6, subcode: 2, shutdown: 'maintenance' })
  })

  it('tell changes as they are, coalesced for a consumer that comes late', async () => {
    const { lab, a, b } = await pair()
    a.announce([vpn('10.1.0.1/32', { label: 17 })])
    await lab.run(1)
    a.announce([vpn('10.1.0.1/32', { label: 21 }), vpn('10.1.0.3/32')])
    await lab.run(1)
    const { table, changes } = follow(b)
    await lab.run(1)
    expect(changes.map(({ kind, nlri }) => [kind, nlri.kind === 'vpn' ? nlri.labels : []])).toEqual([
      ['announce', [21]],
      ['announce', [1000]],
    ])
    a.withdraw([vpn('10.1.0.3/32')])
    await lab.run(1)
    expect([...table.keys()]).toEqual([`vpnv4-unicast 65000:1 10.1.0.1/32 ${A} 0`])
    await a.stop()
    await lab.run(1)
    expect(table.size).toBe(0)
  })
})
