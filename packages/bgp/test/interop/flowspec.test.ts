import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Speaker, formatNlri } from '../../src/index.js'
import { isUp } from '../speaker/lab.js'
import { eventually } from './daemon.js'
import { Gobgp, withoutGobgp } from './gobgp-daemon.js'

/* GoBGP in another AS gives unicast routes and rules of FlowSpec: which of the rules may be followed is told by the routes (RFC 8955 §6, RFC 9117). */

const US = '127.0.53.1'
const THEM = '127.0.53.2'
const PORT = 11_803
/** A loopback address would be no next hop (RFC 7606 §7.3). */
const ELSEWHERE = `
[global.apply-policy.config]
  export-policy-list = ["elsewhere"]
  default-export-policy = "accept-route"
[[policy-definitions]]
  name = "elsewhere"
  [[policy-definitions.statements]]
    name = "elsewhere"
    [policy-definitions.statements.conditions.bgp-conditions]
      afi-safi-in-list = ["ipv4-unicast"]
    [policy-definitions.statements.actions]
      route-disposition = "accept-route"
    [policy-definitions.statements.actions.bgp-actions]
      set-next-hop = "192.0.2.53"
`
const daemon = new Gobgp({
  address: THEM,
  port: PORT,
  api: '11963',
  as: 65_002,
  neighbor: { address: US, as: 65_001 },
  families: ['ipv4-unicast', 'ipv4-flowspec'],
  more: ELSEWHERE,
})

const gobgp = (...words: string[]): Promise<string> => daemon.tell('global', 'rib', ...words)

describe.skipIf(withoutGobgp !== '')(`GoBGP in another AS${withoutGobgp}`, () => {
  const running: { stop(): Promise<void> }[] = []
  let speaker: Speaker

  beforeAll(async () => {
    running.push(await daemon.start())
    speaker = new Speaker({
      clock: nodeClock,
      random: nodeRandom,
      transport: nodeTcpTransport(),
      config: {
        as: 65001,
        routerId: US,
        neighbors: [
          { address: THEM, port: PORT, as: 65002, localAddress: US, families: ['ipv4-unicast', 'ipv4-flowspec'], connectRetry: 1 },
        ],
      },
    })
    running.push(speaker)
    await speaker.start()
    await eventually('the session', () => isUp(speaker, THEM) || undefined)
  })

  afterAll(() => Promise.all(running.map((one) => one.stop())))

  it('has its rules followed while the routes to their destinations are its own', async () => {
    const rules = () =>
      [...speaker.routes({ family: 'ipv4-flowspec', neighbor: THEM })].map(({ nlri, invalid }) => `${formatNlri(nlri)} ${invalid}`).sort()
    const followed = () => rules().filter((rule) => rule.endsWith('undefined'))
    for (const destination of ['10.1.0.1/32', '10.9.0.1/32'])
      await gobgp('add', '-a', 'ipv4-flowspec', 'match', 'destination', destination, 'protocol', 'tcp', 'then', 'discard')
    await eventually('both rules', () => rules().length === 2 || undefined)
    expect(followed()).toEqual([])
    await gobgp('add', '-a', 'ipv4', '10.1.0.0/16')
    await eventually('one of them', () => followed().length === 1 || undefined)
    expect(followed()[0]).toContain('10.1.0.1/32')
    await gobgp('del', '-a', 'ipv4', '10.1.0.0/16')
    await eventually('none', () => followed().length === 0 || undefined)
    expect(rules()).toHaveLength(2)
  })
})
