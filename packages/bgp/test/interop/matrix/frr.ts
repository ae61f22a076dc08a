import { Daemon, command, find } from '../daemon.js'
import { reasonOf, type MatrixConfig, type MatrixDaemon, type MatrixPeer } from './matrix-daemon.js'

const bgpd = find('/usr/lib/frr/bgpd')

const session = (config: MatrixConfig, { address, port, as = 65000, md5 }: MatrixPeer): string => `
 neighbor ${address} remote-as ${as}
 neighbor ${address} update-source ${config.address}
 neighbor ${address} timers connect 1
 neighbor ${address} ${port === undefined ? 'passive' : `port ${port}`}
 ${md5 === undefined ? '' : `neighbor ${address} password ${md5}`}`
const family = ({ address, as = 65000, addPath = false }: MatrixPeer): string => `
  neighbor ${address} activate
  ${as === 65000 ? `neighbor ${address} route-reflector-client` : `neighbor ${address} attribute-unchanged next-hop`}
  ${addPath ? `neighbor ${address} addpath-tx-all-paths` : ''}`

/** Its long-lived graceful restart is one for all peers. */
const longLived = ({ peers }: MatrixConfig): string => {
  const seconds = peers.find((peer) => peer.longLived !== undefined)?.longLived
  return seconds === undefined
    ? ''
    : `bgp graceful-restart\n bgp graceful-restart restart-time 1\n bgp long-lived-graceful-restart stale-time ${seconds}`
}

/** FRR's bgpd, alone. */
export const FRR: MatrixDaemon = {
  name: 'FRR 8.4.4',
  reason: reasonOf(bgpd, true),
  has: { routeRefresh: true, extendedMessages: true, longLived: true },
  start: (config) =>
    Daemon.start(
      bgpd ?? '',
      `router bgp 65000
 bgp router-id ${config.address}
 no bgp default ipv4-unicast
 ${longLived(config)}
 no bgp ebgp-requires-policy
 ${config.peers.map((peer) => session(config, peer)).join('')}
 address-family ipv4 unicast
 ${config.peers.map(family).join('')}
 exit-address-family
`,
      (directory) =>
        `-nZS -f ${directory}/daemon.conf -i ${directory}/bgpd.pid --vty_socket ${directory} -p ${config.port} -l ${config.address} -P 0 --log stdout`.split(
          ' ',
        ),
    ),
  dump: ({ directory }, file) =>
    command('vtysh', '--vty_socket', directory, '-d', 'bgpd', '-c', 'configure terminal', '-c', `dump bgp routes-mrt ${file}`),
  show: ({ directory }, _config, prefix) =>
    command('vtysh', '--vty_socket', directory, '-d', 'bgpd', '-c', `show bgp ipv4 unicast ${prefix}`),
}
