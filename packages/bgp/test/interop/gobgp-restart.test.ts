import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { afterAll, expect, it } from 'vitest'
import { Speaker } from '../../src/index.js'
import { isUp, neighbor, vpn, vpnRoutes } from '../speaker/lab.js'
import { eventually } from './daemon.js'
import { Gobgp, withoutGobgp } from './gobgp-daemon.js'

const US = '127.0.43.1'
const THEM = '127.0.43.2'
const PORT = 11_793
const gobgp = new Gobgp({
  address: THEM,
  port: PORT,
  api: '11953',
  neighbor: { address: US },
  families: ['l3vpn-ipv4-unicast'],
  gracefulRestart: { restartTime: 30, deferralTime: 5 },
})

const running: { stop(): Promise<void> }[] = []
afterAll(() => Promise.all(running.map((one) => one.stop())))

it.skipIf(withoutGobgp !== '')(`GoBGP that was killed keeps its routes with us, and is back at once${withoutGobgp}`, async () => {
  const first = await gobgp.start()
  running.push(first)
  const speaker = new Speaker({
    clock: nodeClock,
    random: nodeRandom,
    transport: nodeTcpTransport(),
    config: {
      as: 65000,
      routerId: US,
      neighbors: [{ address: THEM, port: PORT, as: 65000, localAddress: US, families: ['vpnv4-unicast'] }],
    },
  })
  running.push(speaker)
  await speaker.start()
  await eventually('the session', () => isUp(speaker, THEM) || undefined)
  const add = (prefix: string): Promise<string> =>
    gobgp.tell('global', 'rib', 'add', '-a', 'vpnv4', prefix, 'label', '2001', 'rd', '65000:2', 'rt', '65000:1', 'nexthop', THEM)
  await add('10.2.0.1/32')
  await add('10.2.0.2/32')
  speaker.announce([vpn('10.1.0.1/32')])
  await eventually('its routes', () => vpnRoutes(speaker, THEM).length === 2 || undefined)

  await first.kill()
  await eventually('the loss', () => !isUp(speaker, THEM) || undefined)
  expect(neighbor(speaker, THEM).families[0]).toMatchObject({ received: 2, stale: 2 })
  await eventually('an attempt in vain', () => neighbor(speaker, THEM).lastError?.includes('transport.refused') || undefined)

  const second = await gobgp.start('--graceful-restart')
  running.push(second)
  await eventually('it answers', async () => (await gobgp.ask('neighbor')) !== undefined || undefined)
  // Looks of a tenth of a second each, which come later where everything does.
  let looks = 0
  await eventually('the session', () => (looks++, isUp(speaker, THEM) || undefined))
  expect(looks).toBeLessThan(25)
  await add('10.2.0.2/32')
  await eventually('its End-of-RIB', () => neighbor(speaker, THEM).families[0]?.stale === 0 || undefined)
  // GoBGP defers until our End-of-RIB alone, which may come before the route: it then sends its own, empty-handed, first.
  await eventually('its route', () => vpnRoutes(speaker, THEM).length === 1 || undefined)
  expect(vpnRoutes(speaker, THEM)).toEqual([`65000:2 10.2.0.2/32 label 2001 via ${THEM}`])
  const rib = await gobgp.ask('global', 'rib', '-a', 'vpnv4')
  expect(Object.keys(rib as object).sort()).toEqual(['65000:1:10.1.0.1/32', '65000:2:10.2.0.2/32'])
})
