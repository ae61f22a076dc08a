import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { KEEPALIVE, VPNV4_UNICAST, packUpdates, type Speaker } from '../../src/index.js'
import { localOpen } from '../../src/session/local-open.js'
import { Lab, follow, internal, isUp, neighbor, vpn, vpnRoutes } from './lab.js'
import { Puppet } from './puppet.js'

const A = '192.0.2.1'
const B = '192.0.2.2'

async function withPuppet(more: Parameters<typeof internal>[1] = {}): Promise<{ lab: Lab; a: Speaker; puppet: Puppet }> {
  const lab = new Lab()
  const a = lab.speaker(A, { neighbors: [internal(B, { passive: true, ...more })] })
  await a.start()
  const puppet = await Puppet.connect(lab, B, A)
  puppet.open(B)
  await lab.run(0.1)
  puppet.send(KEEPALIVE)
  await lab.run(0.1)
  expect(isUp(a, B)).toBe(true)
  return { lab, a, puppet }
}

/** An UPDATE with one VPNv4 route. */
function update(prefix: string): Uint8Array {
  const { family, nlri, attributes } = vpn(prefix)
  return packUpdates({
    family,
    attributes: { origin: 'igp', asPath: [], localPref: 100, ...attributes },
    nextHop: { address: IpAddress.parse(B) },
    nlri: [nlri],
  })[0]
}

/** The same UPDATE with the value of ORIGIN replaced. */
function withOrigin(bytes: Uint8Array, value: number): Uint8Array {
  const out = bytes.slice()
  for (let at = 23; at + 4 <= out.length; at++)
    if (out[at] === 0x40 && out[at + 1] === 1 && out[at + 2] === 1 && out[at + 3] === 0) out[at + 3] = value
  return out
}

const header = (length: number, type: number): number[] => [...Array.from({ length: 16 }, () => 0xff), length >>> 8, length & 255, type]

describe('simultaneous opens', () => {
  it.each([1, 2, 3, 4, 5])('end in one session (start %i)', async () => {
    const lab = new Lab()
    const a = lab.speaker(A, { neighbors: [internal(B)] })
    const b = lab.speaker(B, { neighbors: [internal(A)] })
    await a.start()
    await b.start()
    await lab.until(() => isUp(a, B) && isUp(b, A), 'established')
    await lab.run(30)
    expect([isUp(a, B), isUp(b, A)]).toEqual([true, true])
    expect([neighbor(a, B).established, neighbor(b, A).established]).toEqual([1, 1])
  })
})

describe('a second connection', () => {
  it('is refused with Cease 6/7 while the first is up', async () => {
    const { lab, a, puppet } = await withPuppet({ gracefulRestart: false })
    const second = await Puppet.connect(lab, B, A)
    second.open(B)
    await lab.run(0.5)
    expect(second.notifications()).toEqual(['6/7'])
    expect(second.ended).toBe(true)
    puppet.send(KEEPALIVE)
    await lab.run(0.5)
    expect(isUp(a, B)).toBe(true)
  })
})

describe('hold time', () => {
  it('ends a session whose link was cut without a word, and its routes with it', async () => {
    const lab = new Lab()
    const a = lab.speaker(A, { neighbors: [internal(B)] })
    const b = lab.speaker(B, { neighbors: [internal(A)] })
    await Promise.all([a.start(), b.start()])
    await lab.until(() => isUp(a, B) && isUp(b, A), 'established')
    b.announce([vpn('10.0.0.1/32')])
    await lab.run(1)
    expect(vpnRoutes(a)).toHaveLength(1)
    lab.network.cut(lab.host(A), lab.host(B))
    await lab.run(5.5)
    expect(isUp(a, B)).toBe(true)
    await lab.run(4)
    expect(isUp(a, B)).toBe(false)
    expect(vpnRoutes(a)).toEqual([])
    expect(neighbor(a, B).lastNotification).toMatchObject({ direction: 'sent', code: 4 })
    lab.network.heal(lab.host(A), lab.host(B))
    await lab.until(() => isUp(a, B) && isUp(b, A), 'established again')
    await lab.run(1)
    expect(vpnRoutes(a)).toHaveLength(1)
  })

  it('of 0 means no keepalives, and no end', async () => {
    const lab = new Lab()
    const a = lab.speaker(A, { neighbors: [internal(B, { passive: true, holdTime: 0 })] })
    await a.start()
    const puppet = await Puppet.connect(lab, B, A)
    puppet.open(B)
    await lab.run(0.1)
    puppet.send(KEEPALIVE)
    await lab.run(600)
    expect(isUp(a, B)).toBe(true)
    expect(puppet.received.filter(({ type }) => type === 'keepalive')).toHaveLength(1)
  })
})

describe('a connection on which the peer says nothing', () => {
  const silent = async (more: Parameters<typeof internal>[1] = {}): Promise<{ lab: Lab; a: Speaker; puppet: Puppet }> => {
    const lab = new Lab()
    const a = lab.speaker(A, { neighbors: [internal(B, { passive: true, ...more })] })
    await a.start()
    const puppet = await Puppet.connect(lab, B, A)
    await lab.run(0.1)
    return { lab, a, puppet }
  }
  const opens = ({ received }: Puppet): number => received.filter(({ type }) => type === 'open').length

  it('is given up after the large hold time (RFC 4271 §8.2.2)', async () => {
    const { lab, a, puppet } = await silent()
    expect([opens(puppet), neighbor(a, B).state]).toEqual([1, 'open-sent'])
    await lab.run(239)
    expect(puppet.ended).toBe(false)
    await lab.run(2)
    expect([puppet.ended, puppet.notifications()]).toEqual([true, ['4/0']])
  })

  it('is not told our OPEN before the delay is over, or before its own has come', async () => {
    const first = await silent({ delayOpen: 5 })
    await first.lab.run(4.5)
    expect([opens(first.puppet), neighbor(first.a, B).state]).toEqual([0, 'active'])
    await first.lab.run(0.6)
    expect([opens(first.puppet), neighbor(first.a, B).state]).toEqual([1, 'open-sent'])

    const second = await silent({ delayOpen: 5 })
    second.puppet.open(B)
    await second.lab.run(0.1)
    expect(second.puppet.received.map(({ type }) => type)).toEqual(['open', 'keepalive'])
    second.puppet.send(KEEPALIVE)
    await second.lab.run(0.1)
    expect(isUp(second.a, B)).toBe(true)
  })
})

describe('what the peer opens with', () => {
  it.each([
    ['another AS', { as: 65001 }, '2/2'],
    ['our identifier', { routerId: IpAddress.parse(A) }, '2/3'],
    ['no family in common', { families: [] }, '2/7'],
  ])('%s', async (_name, wrong, code) => {
    const lab = new Lab()
    const a = lab.speaker(A, { neighbors: [internal(B, { passive: true })] })
    await a.start()
    const puppet = await Puppet.connect(lab, B, A)
    puppet.send(localOpen({ as: 65000, routerId: IpAddress.parse(B), holdTime: 9, families: [VPNV4_UNICAST], ...wrong }))
    await lab.run(0.5)
    expect(puppet.notifications()).toEqual([code])
    expect(puppet.ended).toBe(true)
  })
})

describe('errors on a live session', () => {
  it('treats as withdraw, keeps the session, and takes the next route', async () => {
    const { lab, a, puppet } = await withPuppet()
    const malformed: string[] = []
    a.events.on('malformed', ({ errors }) => malformed.push(...errors.map(({ handling }) => handling)))
    puppet.send(update('10.0.0.1/32'))
    await lab.run(0.1)
    expect(vpnRoutes(a)).toHaveLength(1)
    puppet.send(withOrigin(update('10.0.0.1/32'), 7))
    puppet.send(update('10.9.9.9/32'))
    await lab.run(0.1)
    expect(malformed).toEqual(['treat-as-withdraw'])
    expect(vpnRoutes(a)).toEqual([`65000:1 10.9.9.9/32 label 1000 via ${B}`])
    expect(isUp(a, B)).toBe(true)
  })

  it('discards an attribute and keeps its route', async () => {
    const { lab, a, puppet } = await withPuppet()
    const bytes = update('10.0.0.1/32')
    // ATOMIC_AGGREGATE of one octet (RFC 7606 §7.6) behind the last attribute
    const more = Uint8Array.of(...bytes, 0x40, 6, 1, 0)
    const view = new DataView(more.buffer)
    view.setUint16(16, more.length)
    view.setUint16(21, view.getUint16(21) + 4)
    puppet.send(more)
    puppet.send(update('10.9.9.9/32'))
    await lab.run(0.1)
    expect(vpnRoutes(a)).toHaveLength(2)
    expect(isUp(a, B)).toBe(true)
  })

  it('resets the session when the routes cannot be found, and takes the peer back', async () => {
    const { lab, a, puppet } = await withPuppet()
    puppet.send(update('10.0.0.1/32'))
    puppet.send(Uint8Array.of(...header(27, 2), 0, 0, 0, 4, 0x40, 1, 32, 0)) // ORIGIN that claims 32 octets, no routes
    puppet.send(update('10.9.9.9/32'))
    await lab.run(0.5)
    expect(puppet.notifications()[0]).toMatch(/^3\//)
    expect(puppet.ended).toBe(true)
    expect(vpnRoutes(a)).toEqual([])
    const again = await Puppet.connect(lab, B, A)
    again.open(B)
    await lab.run(0.1)
    again.send(KEEPALIVE)
    again.send(update('10.9.9.9/32'))
    await lab.run(0.5)
    expect(vpnRoutes(a)).toHaveLength(1)
  })

  it.each([
    ['a marker that is not ones', Uint8Array.of(0, ...header(19, 4).slice(1)), '1/1'],
    ['a length below 19', Uint8Array.from(header(18, 4)), '1/2'],
    ['a KEEPALIVE of 20 octets', Uint8Array.of(...header(20, 4), 0), '1/2'],
    ['a type that is not known', Uint8Array.from(header(19, 9)), '1/3'],
  ])('answers %s', async (_name, bytes, code) => {
    const { lab, a, puppet } = await withPuppet()
    puppet.send(bytes)
    await lab.run(0.1)
    expect(puppet.notifications()).toEqual([code])
    expect(isUp(a, B)).toBe(false)
  })

  it('takes messages that are split at every octet', async () => {
    const { lab, a, puppet } = await withPuppet()
    for (const octet of update('10.0.0.1/32')) puppet.send(Uint8Array.of(octet))
    await lab.run(0.1)
    expect(vpnRoutes(a)).toHaveLength(1)
  })

  it('is over when the peer says so, in the order in which things were said', async () => {
    const { lab, a, puppet } = await withPuppet({ gracefulRestart: false })
    const { changes } = follow(a)
    puppet.send(update('10.0.0.1/32'))
    await lab.run(0.1)
    puppet.send({ type: 'notification', code: 6, subcode: 4, data: new Uint8Array(), shutdown: 'new software' })
    await lab.run(0.1)
    expect(neighbor(a, B)).toMatchObject({ state: 'idle', lastNotification: { code: 6, subcode: 4, shutdown: 'new software' } })
    expect(changes.map(({ kind }) => kind)).toEqual(['announce', 'withdraw'])
    expect(puppet.notifications()).toEqual([])
  })
})

describe('route refresh', () => {
  it('sends everything again, between its marks', async () => {
    const { lab, a, puppet } = await withPuppet()
    a.announce([vpn('10.0.0.1/32'), vpn('10.0.0.2/32')])
    await lab.run(0.1)
    const before = puppet.received.length
    puppet.send({ type: 'route-refresh', family: VPNV4_UNICAST, subtype: 0 })
    await lab.run(0.1)
    const answer = puppet.received.slice(before)
    expect(answer.map((message) => (message.type === 'route-refresh' ? message.subtype : message.type))).toEqual([1, 'update', 2])
  })

  it('takes out what the peer did not send again (RFC 7313)', async () => {
    const { lab, a, puppet } = await withPuppet()
    puppet.send(update('10.0.0.1/32'))
    puppet.send(update('10.0.0.2/32'))
    await lab.run(0.1)
    expect(a.requestRefresh(B, 'vpnv4-unicast')).toBe(true)
    await lab.run(0.1)
    expect(puppet.received.at(-1)).toMatchObject({ type: 'route-refresh', subtype: 0 })
    puppet.send({ type: 'route-refresh', family: VPNV4_UNICAST, subtype: 1 })
    puppet.send(update('10.0.0.2/32'))
    puppet.send({ type: 'route-refresh', family: VPNV4_UNICAST, subtype: 2 })
    await lab.run(0.1)
    expect(vpnRoutes(a)).toEqual([`65000:1 10.0.0.2/32 label 1000 via ${B}`])
  })
})

describe('a speaker that cannot listen', () => {
  it('names address and port, and has started nothing', async () => {
    const lab = new Lab()
    const first = lab.speaker(A, { neighbors: [] })
    await first.start()
    const second = lab.speaker(A, { neighbors: [internal(B)] })
    await expect(second.start()).rejects.toMatchObject({ code: 'speaker.listen', subject: `${A} port 179` })
    await first.stop()
    await second.start()
  })

  it.each([
    [{ address: 'nowhere' }, 'neighbors[0].address'],
    [{ as: 0 }, 'neighbors[0].as'],
    [{ holdTime: 2 }, 'neighbors[0].holdTime'],
    [{ families: [] }, 'neighbors[0].families'],
  ])('names what is wrong with a neighbor: %j', (wrong, subject) => {
    const lab = new Lab()
    expect(() => lab.speaker(A, { neighbors: [internal(B, wrong)] })).toThrow(expect.objectContaining({ code: 'speaker.config', subject }))
  })
})
