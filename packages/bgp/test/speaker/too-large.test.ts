import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { VPNV4_UNICAST, type LocalRoute, type Nlri, type Speaker } from '../../src/index.js'
import { KEEPALIVE } from '../../src/message/keepalive.js'
import { localOpen } from '../../src/session/local-open.js'
import { MANY_COMMUNITIES } from '../interop/peering.js'
import { Lab, internal, isUp, vpn, vpnRoutes } from './lab.js'
import { Puppet } from './puppet.js'

const [A, B] = ['192.0.2.1', '192.0.2.2'] as const
const withCommunities = (prefix: string, count: number): LocalRoute => {
  const route = vpn(prefix)
  return { ...route, attributes: { ...route.attributes, communities: MANY_COMMUNITIES.slice(0, count) } }
}
const out = (speaker: Speaker): number => [...speaker.routes({ family: 'vpnv4-unicast', neighbor: B, direction: 'out' })].length
const reasonOf = (speaker: Speaker, { nlri }: LocalRoute): string | undefined =>
  speaker.explain({ family: 'vpnv4-unicast', nlri }).advertised[0]?.reason

/** Prefixes that the peer was told of and that were not taken back. */
function held({ received }: Puppet): string[] {
  const prefixes = new Set<string>()
  const names = (routes: readonly { readonly nlri: readonly Nlri[] }[]): string[] =>
    routes.flatMap(({ nlri }) => nlri.map((route) => (route.kind === 'vpn' ? String(route.prefix) : route.kind)))
  for (const message of received) {
    if (message.type !== 'update') continue
    for (const prefix of names(message.withdrawn)) prefixes.delete(prefix)
    for (const prefix of names(message.announced)) prefixes.add(prefix)
  }
  return [...prefixes]
}

describe('a route that no message to the peer has room for (RFC 4271 §9.2)', () => {
  it('is not among those that the peer holds, is explained, and takes back what the peer held', async () => {
    const lab = new Lab()
    const a = lab.speaker(A, { neighbors: [internal(B)] })
    await a.start()
    const puppet = await Puppet.connect(lab, B, A)
    const open = localOpen({ as: 65000, routerId: IpAddress.parse(B), holdTime: 9, families: [VPNV4_UNICAST] })
    puppet.send({ ...open, capabilities: open.capabilities.filter(({ kind }) => kind !== 'extended-message') })
    puppet.send(KEEPALIVE)
    await lab.until(() => isUp(a, B), 'up')
    const alive = async (): Promise<void> => {
      puppet.send(KEEPALIVE)
      await lab.run(2)
    }
    const [large, small] = [withCommunities('10.0.0.1/32', 1500), withCommunities('10.0.0.2/32', 900)]
    a.announce([large, small])
    await alive()
    expect([out(a), reasonOf(a, large), reasonOf(a, small)]).toEqual([1, 'too-large', undefined])
    a.announce([withCommunities('10.0.0.2/32', 1500)])
    await alive()
    expect([out(a), reasonOf(a, small), held(puppet)]).toEqual([0, 'too-large', []])
    a.announce([withCommunities('10.0.0.1/32', 3)])
    await alive()
    expect([out(a), reasonOf(a, large), held(puppet).length]).toEqual([1, undefined, 1])
  })

  it('goes to a peer that takes extended messages (RFC 8654), to the last octet', async () => {
    const lab = new Lab()
    const [a, b] = [lab.speaker(A, { neighbors: [internal(B)] }), lab.speaker(B, { neighbors: [internal(A)] })]
    await Promise.all([a.start(), b.start()])
    await lab.until(() => isUp(a, B), 'up')
    a.announce([withCommunities('10.0.0.1/32', 1500)])
    await lab.run(2)
    expect([out(a), vpnRoutes(b).length]).toEqual([1, 1])
  })
})
