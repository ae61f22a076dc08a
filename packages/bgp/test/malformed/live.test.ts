import { IpAddress } from '@heddle/wire'
import { afterEach, describe, expect, it } from 'vitest'
import { IPV4_LABELED_UNICAST, IPV4_UNICAST, type Speaker } from '../../src/index.js'
import { KEEPALIVE } from '../../src/message/keepalive.js'
import { localOpen } from '../../src/session/local-open.js'
import { Lab, isUp, neighbor } from '../speaker/lab.js'
import { Puppet } from '../speaker/puppet.js'
import { CVE_CASES, bytes, type MalformedCase } from './cve-cases.js'
import { ATTRIBUTE_CASES, attributesOf, update } from './rfc7606-table.js'

/*
 * Every malformed message of the two tables, sent in a live session. In front of it and behind it the peer sends a route that must be there all
 * the same (the sentinels); the route that the message itself has was announced before, so that `withdraw` is seen to take it out.
 */

const [A, B] = ['192.0.2.9', '192.0.2.1'] as const
const ROUTE = '192.0.2.0/24'
const [BEFORE, BEHIND] = ['198.51.100.0/24', '203.0.113.0/24'] as const
const FIELD: Readonly<Record<string, string>> = { [ROUTE]: '18c00002', [BEFORE]: '18c63364', [BEHIND]: '18cb0071' }
const FAMILIES = [IPV4_UNICAST, IPV4_LABELED_UNICAST]

interface Session {
  readonly lab: Lab
  readonly speaker: Speaker
  readonly puppet: Puppet
  readonly route: (prefix: string) => Uint8Array
  /** Prefixes that are used. */
  readonly held: () => string[]
}

const speakers: Speaker[] = []
afterEach(async () => {
  await Promise.all(speakers.splice(0).map((speaker) => speaker.stop()))
})

async function greet(lab: Lab, asn: number, asn4: boolean): Promise<Puppet> {
  const puppet = await Puppet.connect(lab, B, A)
  const open = localOpen({ as: asn, routerId: IpAddress.parse(B), holdTime: 90, families: FAMILIES })
  puppet.send({ ...open, capabilities: open.capabilities.filter(({ kind }) => asn4 || kind !== 'four-octet-as') })
  await lab.run(0.01)
  return puppet
}

async function session(peerType: 'ebgp' | 'ibgp', asn4 = true): Promise<Session> {
  const lab = new Lab()
  const asn = peerType === 'ibgp' ? 65_000 : 200
  const speaker = lab.speaker(A, {
    holdTime: 90,
    gracefulRestart: false,
    neighbors: [{ address: B, as: asn, passive: true, families: ['ipv4-unicast', 'ipv4-labeled-unicast'] }],
  })
  speakers.push(speaker)
  await speaker.start()
  const puppet = await greet(lab, asn, asn4)
  puppet.send(KEEPALIVE)
  await lab.run(0.01)
  const localPref = peerType === 'ibgp' ? '40050400000064' : ''
  const path = asn4 ? '4002060201000000c8' : '400204020100c8'
  return {
    lab,
    speaker,
    puppet,
    route: (prefix) => update('', `40010100${path}4003040a000001${localPref}`, FIELD[prefix] ?? ''),
    held: () =>
      [...speaker.routes({ family: 'ipv4-unicast', neighbor: B })]
        .filter(({ invalid }) => invalid === undefined)
        .map(({ nlri }) => (nlri.kind === 'unicast' ? String(nlri.prefix) : nlri.kind))
        .sort(),
  }
}

/** What is left of the routes, or the NOTIFICATION that ended the session: then the peer comes back and is taken as if nothing had been. */
async function after({ lab, speaker, puppet, route, held }: Session, message: Uint8Array): Promise<string[] | string> {
  for (const prefix of [BEFORE, ROUTE]) puppet.send(route(prefix))
  await lab.run(0.1)
  expect(held()).toEqual([ROUTE, BEFORE].sort())
  puppet.send(message)
  puppet.send(route(BEHIND))
  await lab.run(0.1)
  expect(lab.logs.records.filter(({ level }) => level === 'error')).toEqual([])
  if (isUp(speaker, B)) {
    expect(held()).toEqual(expect.arrayContaining([BEFORE, BEHIND]))
    return held().filter((prefix) => prefix === ROUTE)
  }
  expect(held()).toEqual([])
  const [notification = ''] = puppet.notifications()
  await lab.run(3)
  const again = await greet(lab, speaker.neighbors()[0]?.as ?? 0, true)
  again.send(KEEPALIVE)
  again.send(session4(speaker, route))
  await lab.run(0.1)
  expect([isUp(speaker, B), held()]).toEqual([true, [BEFORE]])
  return notification
}

/** The first sentinel with AS numbers of four octets, which the second session has in any case. */
function session4(speaker: Speaker, route: Session['route']): Uint8Array {
  const [view] = speaker.neighbors()
  return view?.as === 65_000 ? route(BEFORE) : update('', '400101004002060201000000c84003040a000001', FIELD[BEFORE] ?? '')
}

describe.each(ATTRIBUTE_CASES)('RFC 7606, live: $attribute from $peerType', ({ type, flags, value, peerType, outcome }) => {
  it(`means ${outcome}`, async () => {
    const live = await session(peerType)
    const { all } = attributesOf({ type, flags, value })
    const localPref = peerType === 'ibgp' && type !== 5 ? '40050400000064' : ''
    const result = await after(live, update('', all + localPref, FIELD[ROUTE] ?? ''))
    if (outcome === 'R') expect(result).toMatch(/^3\//)
    else expect(result).toEqual(outcome === 'W' ? [] : [ROUTE])
  })
})

const isOpen = ({ hex }: MalformedCase): boolean => hex.slice(36, 38) === '01'

describe.each(CVE_CASES.filter((entry) => !isOpen(entry)))('live: $name', ({ hex, handling, notification, options = {} }) => {
  it(`means ${handling}`, async () => {
    const result = await after(await session(options.peerType ?? 'ebgp', options.asn4 ?? true), bytes(hex))
    if (handling === 'session-reset')
      expect(result).toMatch(notification === undefined ? /^[13]\// : `${notification.code}/${notification.subcode}`)
    else if (handling === 'treat-as-withdraw') expect(result).toEqual([])
    else expect(Array.isArray(result)).toBe(true)
  })
})

describe.each(CVE_CASES.filter(isOpen))('live: $name', ({ hex, handling, notification }) => {
  it(`means ${handling}, and a well-formed OPEN is taken afterwards`, async () => {
    const lab = new Lab()
    const speaker = lab.speaker(A, { neighbors: [{ address: B, as: 65_000, passive: true, families: ['ipv4-unicast'] }] })
    speakers.push(speaker)
    await speaker.start()
    const puppet = await Puppet.connect(lab, B, A)
    puppet.send(bytes(hex))
    await lab.run(0.1)
    if (handling === 'session-reset') expect(puppet.notifications()).toEqual([`${notification?.code}/${notification?.subcode}`])
    // a capability that cannot be read is none: what is left of these OPENs has no family in common with us, or has
    else expect(['', '2/7']).toContain(puppet.notifications().join())
    puppet.connection.reset()
    await lab.run(5)
    const again = await greet(lab, 65_000, true)
    again.send(KEEPALIVE)
    await lab.run(0.1)
    expect(neighbor(speaker, B).state).toBe('established')
  })
})
