import { labelled, testPacket } from '@heddle/dataplane-conformance'
import { ebpfDataplane, ebpfFeatures } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { POD, siteTransaction, UNDERLAY } from '../../dataplane-tun/test/support/two-sites.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

/*
 * What programs leave to the host reaches the socket of the device that has segments behind joint labels merged: nothing may come out of it.
 *
 *   site a ══ up0 ══ site b: [router b], the host
 *          ══ up1 ══
 */

const PORT = 6635
/** Addresses of site b that are not its router's: on the uplink, and on another link. */
const OTHERS = ['192.0.2.9', '198.51.100.2'] as const
const joint = (ttl: number): readonly number[] => [0x0c, 0, 0, ttl]
const ETHERNET = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 0] as const

/** As large as makes it fragments, or not. */
function datagrams(size: number): readonly Uint8Array[] {
  const [ipv4, ipv6] = [0, 1].map((family) => testPacket({ source: POD.a[family], destination: UNDERLAY.b[family], size }))
  // With another TTL the kernel would take it for malformed.
  const label = [...labelled([{ label: 1002, ttl: 0 }], new Uint8Array())]
  return [
    [...joint(1), ...label, ...ipv4],
    [...joint(2), ...label, ...ipv6],
    // VXLAN-GPE with Ethernet inside, of a VNI.
    [...joint(3), 0, 0, 7, 0, ...ETHERNET, ...ipv4],
  ].map((octets) => Uint8Array.from(octets))
}

const lacks =
  missing() !== '' || ebpfFeatures().some(({ name, available }) => name === 'vxlan-gpe' && available) ? '' : ' (skipped: needs vxlan-gpe)'

describe.skipIf(missing() !== '' || lacks !== '')(titled(`the socket of the device that merges behind joint labels${lacks}`), () => {
  let sites: TwoEbpfSites
  let near: string
  let far: string
  beforeAll(() => {
    sites = new TwoEbpfSites('socket')
    near = sites.short('site', 'a')
    far = sites.short('site', 'b')
    sites.in(far, ...`ip address add ${OTHERS[0]}/24 dev up0`.split(' '))
    sites.in(near, ...`ip link add up1 type veth peer name up1 netns ${sites.name(far)}`.split(' '))
    for (const [site, address] of [[near, '198.51.100.1'] as const, [far, OTHERS[1]] as const]) {
      sites.in(site, ...`ip address add ${address}/24 dev up1`.split(' '))
      sites.in(site, ...'ip link set up1 up'.split(' '))
    }
  })
  afterAll(() => sites?.close())

  const inFar = (command: string): string => sites.in(far, ...command.split(' '))
  const deviceName = (): string => {
    const [{ ifindex }] = JSON.parse(inFar('ip -j link show up0')) as [{ ifindex: number }]
    return `hd${ifindex.toString(36)}joint`
  }
  const cameOut = (): number => Number(inFar(`cat /sys/class/net/${deviceName()}/statistics/rx_packets`))
  /** Datagrams that a socket took, be it to drop them. */
  const taken = (): number => {
    const lines = inFar('cat /proc/net/snmp').split('\n')
    const [names, values] = lines.filter((line) => line.startsWith('Udp:')).map((line) => line.split(' '))
    return Number(values[names.indexOf('InDatagrams')])
  }

  /** Sends everything that is the host's; how much that was. */
  async function send(): Promise<number> {
    const whole = datagrams(100).map((datagram) => ({ datagram, to: OTHERS }))
    const all = [...whole, ...datagrams(2000).map((datagram) => ({ datagram, to: [UNDERLAY.b[0], ...OTHERS] }))]
    const sends = all.flatMap(({ datagram, to }) => to.map((address) => [Buffer.from(datagram).toString('hex'), address]))
    const script = `const s = require('dgram').createSocket('udp4'); let left = ${sends.length}
      for (const [hex, address] of ${JSON.stringify(sends)}) s.send(Buffer.from(hex, 'hex'), ${PORT}, address, () => --left || s.close())`
    const before = taken()
    sites.in(near, process.execPath, '-e', script)
    await expect.poll(() => taken() - before, { timeout: 20_000 * PACE }).toBeGreaterThanOrEqual(sends.length)
    return sends.length
  }

  it('drops what is in fragments, came by another link or is for another address', async () => {
    // As nobody may leave it: each would come out.
    inFar(`ip link add ${deviceName()} type vxlan external gpe dstport ${PORT}`)
    inFar(`ip link set ${deviceName()} up`)
    const sent = await send()
    await expect.poll(cameOut, { timeout: 20_000 * PACE }).toBe(sent)

    const addresses = UNDERLAY.b.map((address) => IpAddress.parse(address))
    await using router = await ebpfDataplane({ addresses, uplink: 'up0', underlayNetns: sites.path(far), fibBlocks: 2048, routes: 4096 })
    expect(await router.apply(siteTransaction('b'))).toMatchObject({ status: 'applied', failures: [] })
    await send()
    expect(cameOut()).toBe(0)
  })
})
