import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Speaker, formatNlri } from '../../src/index.js'
import { isUp } from '../speaker/lab.js'
import { Daemon, command, eventually, find } from './daemon.js'

/* GoBGP in another AS gives unicast routes and rules of FlowSpec: which of the rules may be followed is told by the routes (RFC 8955 §6, RFC 9117). */

const US = '127.0.53.1'
const THEM = '127.0.53.2'
const PORT = 11_803
const API = '50163'
const gobgpd = find('/usr/bin/gobgpd', '/usr/local/bin/gobgpd')
const reason = gobgpd === undefined ? ' (GoBGP is not installed)' : ''

/** A loopback address would be no next hop (RFC 7606 §7.3). */
const CONFIG = `
[global.config]
  as = 65002
  router-id = "${THEM}"
  port = ${PORT}
  local-address-list = ["${THEM}"]
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
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${US}"
    peer-as = 65001
  [neighbors.transport.config]
    passive-mode = true
    local-address = "${THEM}"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-flowspec"
`

const gobgp = (...words: string[]): Promise<string> => command('gobgp', '-u', THEM, '-p', API, 'global', 'rib', ...words)

describe.skipIf(reason !== '')(`GoBGP in another AS${reason}`, () => {
  const running: { stop(): Promise<void> }[] = []
  let speaker: Speaker

  beforeAll(async () => {
    running.push(
      await Daemon.start(gobgpd ?? '', CONFIG, (directory) => {
        return ['-f', `${directory}/daemon.conf`, '--api-hosts', `${THEM}:${API}`, '--pprof-disable']
      }),
    )
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
