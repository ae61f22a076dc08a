import { Daemon, command, find } from '../daemon.js'
import { reasonOf, type MatrixConfig, type MatrixDaemon, type MatrixPeer } from './matrix-daemon.js'

const gobgpd = find('/usr/bin/gobgpd', '/usr/local/bin/gobgpd')
/** Port of its control interface. */
export const GOBGP_API = '11990'

const session = (config: MatrixConfig, { address, port, as = 65000, md5, addPath = false, longLived }: MatrixPeer): string => `
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${address}"
    peer-as = ${as}
    ${md5 === undefined ? '' : `auth-password = "${md5}"`}
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
  [neighbors.transport.config]
    local-address = "${config.address}"
    ${port === undefined ? 'passive-mode = true' : `remote-port = ${port}`}
  ${as === 65000 ? `[neighbors.route-reflector.config]\n    route-reflector-client = true\n    route-reflector-cluster-id = "${config.address}"` : ''}
  ${longLived === undefined ? '' : '[neighbors.graceful-restart.config]\n    enabled = true\n    restart-time = 1\n    long-lived-enabled = true'}
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
    ${addPath ? '[neighbors.afi-safis.add-paths.config]\n      receive = true\n      send-max = 8' : ''}
    ${longLived === undefined ? '' : `[neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n    [neighbors.afi-safis.long-lived-graceful-restart.config]\n      enabled = true\n      restart-time = ${longLived}`}
`

/** GoBGP. */
export const GOBGP: MatrixDaemon = {
  name: 'GoBGP 3.10',
  reason: reasonOf(gobgpd),
  has: { routeRefresh: true, extendedMessages: false, longLived: true },
  start: (config) =>
    Daemon.start(
      gobgpd ?? '',
      `[global.config]
  as = 65000
  router-id = "${config.address}"
  port = ${config.port}
  local-address-list = ["${config.address}"]
${config.peers.map((peer) => session(config, peer)).join('')}`,
      (directory) => ['-f', `${directory}/daemon.conf`, '-t', 'toml', '--api-hosts', `${config.address}:${GOBGP_API}`, '--pprof-disable'],
    ),
  show: (_daemon, { address }, prefix) => command('gobgp', '-u', address, '-p', GOBGP_API, 'global', 'rib', '-a', 'ipv4', prefix, '-j'),
}
