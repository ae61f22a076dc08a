import { Netlink, NetworkNamespace, linuxRouterDiscovery, linuxTcpTransport, nativeAvailability } from '@heddle/linux'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { silentLogger } from '@heddle/io'
import { nodeClock, nodeRandom } from '@heddle/io/node'
import { createSpeaker, hostBfd, parseSpeaker, type SpeakerHandle } from '@heddle/cli'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { IPV4_UNICAST, IPV6_UNICAST, type LocalRoute, type Speaker } from '../../src/index.js'
import { isUp, neighbor } from '../speaker/lab.js'
import { Daemon, askJson, command, eventually, find } from './daemon.js'

/* A link with nothing but link-local addresses, between a namespace with a speaker of ours and one with FRR (bgpd, bfdd and zebra): known to each other
   by configuration, or by nothing but the name of the device and what the other advertises (unnumbered). */

const zebra = find('/usr/lib/frr/zebra')
const bgpd = find('/usr/lib/frr/bgpd')
const bfdd = find('/usr/lib/frr/bfdd')
const availability = nativeAvailability()
const reason =
  zebra === undefined || bgpd === undefined || bfdd === undefined
    ? ' (FRR is not installed)'
    : process.getuid?.() !== 0
      ? ' (needs root)'
      : availability.available
        ? ''
        : ` (${availability.reason})`
const [US, THEM] = ['fe80::1', 'fe80::2'] as const
const PORT = 1790

/** @param named how FRR names us @param peer lines that make us its neighbor */
const configOf = (named: string, peer: string): string => `
router bgp 65002
 bgp router-id 192.0.2.2
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 ${peer}
 neighbor ${named} passive
 neighbor ${named} ttl-security hops 1
 neighbor ${named} capability extended-nexthop
 address-family ipv4 unicast
  neighbor ${named} activate
  network 10.2.0.0/16
 exit-address-family
 address-family ipv6 unicast
  neighbor ${named} activate
  network 2001:db8:2::/48
 exit-address-family
`

const BFD_CONFIG = `
bfd
 peer ${US} local-address ${THEM} interface eth0
  detect-multiplier 10
  receive-interval 200
  transmit-interval 200
 exit
exit
`

/** What `heddle speaker` reads. */
const yamlOf = (named: string): string => `
node: { name: us, address: 192.0.2.1 }
bgp:
  as: 65001
  holdTime: 9
  listen: [{ address: '::', port: ${PORT} }]
  neighbors:
    - { address: '${named}', port: ${PORT}, as: 65002, families: [ipv4-unicast, ipv6-unicast], ttlSecurity: 1, connectRetry: 1,
        bfd: { interval: 200, multiplier: 10 } }
`

/** How each end names the other. */
const WAYS = [
  { way: 'link-local addresses', theirs: `${THEM}%eth0`, ours: US, peer: `neighbor ${US} remote-as 65001\n neighbor ${US} interface eth0` },
  { way: 'an unnumbered link', theirs: '%eth0', ours: 'eth0', peer: 'neighbor eth0 interface remote-as 65001' },
]

describe.skipIf(reason !== '').each(WAYS)(`FRR over $way${reason}`, ({ theirs, ours, peer }) => {
  const namespaces: NetworkNamespace[] = []
  const daemons: Daemon[] = []
  let handle: SpeakerHandle
  let bfd: ReturnType<typeof hostBfd>
  let bfdDaemon: Daemon
  let speaker: Speaker
  let directory = ''

  beforeAll(async () => {
    for (const side of ['us', 'them']) namespaces.push(await NetworkNamespace.create(`hdl-bgp-${process.pid}-${side}`))
    const [near, far] = namespaces
    for (const [at, namespace] of namespaces.entries()) {
      const netlink = await Netlink.open(namespace)
      if (at === 0) await netlink.links.createVeth({ name: 'eth0', peer: 'eth0', peerNamespace: far })
      await netlink.links.change('eth0', { linkLocal: false })
      await netlink.addresses.add('eth0', `${at === 0 ? US : THEM}/64`, { noDad: true })
      for (const link of ['lo', 'eth0']) await netlink.links.change(link, { up: true })
      netlink.close()
    }
    const inside = (program: string, ...words: string[]): string[] => ['netns', 'exec', far.name, program, ...words]
    // zebra gives root up, unlike bgpd
    const first = await Daemon.start('/bin/sh', '', (made) => {
      directory = made
      const words = `ip netns exec ${far.name} ${zebra} -f ${made}/daemon.conf -i ${made}/zebra.pid --vty_socket ${made} -z ${made}/zserv.api -P 0 --log stdout`
      return ['-c', `chown frr:frr ${made} ${made}/daemon.conf && exec ${words}`]
    })
    daemons.push(first)
    await eventually('zebra', () => find(`${directory}/zserv.api`))
    daemons.push(
      await Daemon.start('ip', configOf(ours, peer), (made) =>
        inside(
          bgpd ?? '',
          '-S',
          '-f',
          `${made}/daemon.conf`,
          '-i',
          `${made}/bgpd.pid`,
          '--vty_socket',
          directory,
          '-z',
          `${directory}/zserv.api`,
          '-p',
          String(PORT),
          '-P',
          '0',
          '--log',
          'stdout',
        ),
      ),
    )
    bfdDaemon = await Daemon.start('/bin/sh', BFD_CONFIG, (made) => {
      const places = `-i ${made}/bfdd.pid --bfdctl ${made}/bfdd.sock --vty_socket ${directory} -z ${directory}/zserv.api`
      const words = `ip netns exec ${far.name} ${bfdd} -f ${made}/daemon.conf ${places} -P 0 --log stdout`
      return ['-c', `chown frr:frr ${made} ${made}/daemon.conf && exec ${words}`]
    })
    daemons.push(bfdDaemon)
    bfd = hostBfd({ clock: nodeClock, random: nodeRandom, logger: silentLogger }, near)
    const world = { transport: linuxTcpTransport({ namespace: near }), routerDiscovery: linuxRouterDiscovery({ namespace: near }), bfd }
    handle = await createSpeaker(parseSpeaker('speaker.yaml', yamlOf(theirs)), world)
    ;({ speaker } = handle)
    await eventually('the session', () => isUp(speaker, theirs) || undefined).catch((error: unknown) => {
      throw new TypeError(`${String(error)}: ${neighbor(speaker, theirs).lastError}\n${daemons.map(({ output }) => output).join('\n')}`)
    })
  })

  afterAll(async () => {
    await handle?.stop()
    bfd?.close()
    for (const daemon of daemons.reverse()) await daemon.stop()
    for (const namespace of namespaces) await namespace.delete()
  })

  it('gives IPv4 and IPv6 routes that have its link-local address as next hop (RFC 8950)', async () => {
    const held = (): string[] =>
      (['ipv4-unicast', 'ipv6-unicast'] as const).flatMap((family) =>
        [...speaker.routes({ family, neighbor: theirs })].map(
          ({ nlri, set: { nextHop } }) => `${nlri.kind === 'unicast' ? nlri.prefix : ''} via ${nextHop?.linkLocal ?? nextHop?.address}`,
        ),
      )
    await eventually('both', () => held().length === 2 || undefined)
    expect(held()).toEqual([`10.2.0.0/16 via ${THEM}`, `2001:db8:2::/48 via ${THEM}`])
  })

  it('takes IPv4 and IPv6 routes that have ours, and forwards by them', async () => {
    const route = (prefix: string): LocalRoute => {
      const parsed = IpPrefix.parse(prefix)
      return { family: parsed.family === 4 ? IPV4_UNICAST : IPV6_UNICAST, nlri: { kind: 'unicast', prefix: parsed } }
    }
    speaker.announce([route('10.1.0.0/16'), route('2001:db8:1::/48')])
    const ask = (what: string): Promise<unknown> => askJson('vtysh', '--vty_socket', directory, '-d', 'bgpd', '-c', what)
    for (const [family, prefix] of [
      ['ipv4', '10.1.0.0/16'],
      ['ipv6', '2001:db8:1::/48'],
    ]) {
      interface Answer {
        readonly paths?: readonly { readonly valid?: boolean; readonly nexthops?: readonly { readonly ip: string }[] }[]
      }
      const path = await eventually(
        prefix ?? '',
        async () => ((await ask(`show bgp ${family} unicast ${prefix} json`)) as Answer | undefined)?.paths?.[0],
      )
      expect([path.valid, path.nexthops?.map(({ ip }) => String(IpAddress.parse(ip)))]).toEqual([true, [US]])
      const kernel = await eventually(
        'the kernel has it',
        async () => (await command('ip', '-n', namespaces[1].name, family === 'ipv4' ? '-4' : '-6', 'route', 'show', prefix)) || undefined,
      )
      expect(kernel).toMatch(new RegExp(`via (inet6 )?${US} dev eth0`))
    }
  })

  it('is watched by BFD through the device, and its session ends as soon as nothing is heard (RFC 5881 §4)', async () => {
    const up = { local: US, remote: `${THEM}%eth0`, hops: 'single', state: 'up' }
    const rows = () => bfd.rows().map(({ local, remote, hops, state }) => ({ local, remote, hops, state }))
    await eventually(
      'BFD is up',
      () => (neighbor(speaker, theirs).bfd === 'up' && JSON.stringify(rows()) === JSON.stringify([up])) || undefined,
    ).catch((error: unknown) => {
      throw new TypeError(`${String(error)}: ${JSON.stringify(bfd.rows())}\n${bfdDaemon.output}`)
    })
    await bfdDaemon.kill()
    const ended = await eventually('the session ends', () => neighbor(speaker, theirs).lastNotification)
    expect([ended.direction, ended.code, ended.subcode]).toEqual(['sent', 6, 10]) // RFC 9384
  })
})
