import { memoryDataplane } from '@heddle/dataplane-memory'
import { seededRandom } from '@heddle/io/testing'
import { IpAddress } from '@heddle/wire'
import { expect, it } from 'vitest'
import { Agent } from '../src/index.js'
import { Overlay, endpoint, hostsOf } from './support/overlay.js'

it('carries both families over an IPv6 underlay, with an IPv6 next hop for VPNv4 (RFC 8950)', async () => {
  const overlay = new Overlay()
  const addresses = ['2001:db8::1', '2001:db8::2']
  const sites = await Promise.all(
    addresses.map(async (address, index) => {
      const dataplane = memoryDataplane({ underlay: overlay.underlay, addresses: [IpAddress.parse(address)] })
      const plain = overlay.config('192.0.2.1', {
        endpoints: [endpoint(`pod-${index}`, 'red', `10.0.0.${index + 1}`, `fd00::${index + 1}`)],
      })
      const other = addresses[1 - index]
      const agent = await Agent.start({
        config: {
          ...plain,
          name: address,
          address: IpAddress.parse(address),
          bgp: {
            ...plain.bgp,
            routerId: `192.0.2.${index + 1}`,
            listen: [{ address }],
            neighbors: [{ address: other, as: 65_000, families: ['vpnv4-unicast', 'vpnv6-unicast'] }],
          },
          vrfs: overlay.config(`192.0.2.${index + 1}`).vrfs,
        },
        dataplane,
        clock: overlay.clock,
        random: seededRandom(index),
        transport: overlay.host(address).transport,
        logger: overlay.logger,
      })
      return { agent, dataplane }
    }),
  )
  await overlay.run(30)
  const [near] = sites
  expect((await near.agent.show('routes')).filter(({ peer }) => peer !== 'local')).toMatchObject([
    { prefix: '10.0.0.2/32', nextHop: '2001:db8::2', encapsulation: 'mpls-udp', best: true, installed: true },
    { prefix: 'fd00::2/128', nextHop: '2001:db8::2', encapsulation: 'mpls-udp', best: true, installed: true },
  ])
  expect((await near.agent.show('endpoints'))[0].mtu).toBe(1500 - 40 - 8 - 4 - 4)
  const pods = await hostsOf(near.dataplane)
  await hostsOf(sites[1].dataplane)
  expect(pods.get('pod-0')?.ask(IpAddress.parse('10.0.0.2'))).toBe('pod-1')
  expect(pods.get('pod-0')?.ask(IpAddress.parse('fd00::2'))).toBe('pod-1')
  await overlay.stop(...sites.map(({ agent }) => agent))
})
