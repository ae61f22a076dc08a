import { Daemon, command, find } from '../daemon.js'
import { reasonOf, type MatrixConfig, type MatrixDaemon, type MatrixPeer } from './matrix-daemon.js'

const bird = find('/usr/sbin/bird')

const session = (config: MatrixConfig, { address, port, as = 65000, md5, addPath = false, longLived }: MatrixPeer, at: number): string => `
protocol bgp peer_${at} {
  local ${config.address} port ${config.port} as 65000;
  neighbor ${address} ${port === undefined ? '' : `port ${port}`} as ${as};
  ${port === undefined ? 'passive on;' : 'connect retry time 1; connect delay time 1; error wait time 1, 2;'}
  ${as === 65000 ? 'rr client;' : ''}
  multihop;
  hold time 9;
  enable extended messages on;
  ${longLived === undefined ? '' : `graceful restart on; long lived graceful restart on; long lived stale time ${longLived};`}
  ${md5 === undefined ? '' : `password "${md5}";`}
  ipv4 { import all; export all; next hop keep; ${addPath ? 'add paths on;' : ''} };
}`

/** BIRD 2. */
export const BIRD: MatrixDaemon = {
  name: 'BIRD 2.0.12',
  reason: reasonOf(bird),
  has: { routeRefresh: true, extendedMessages: true, longLived: true },
  start: (config) =>
    Daemon.start(
      bird ?? '',
      `log stderr all;
router id ${config.address};
protocol device {}
${config.peers.map((peer, at) => session(config, peer, at)).join('')}
`,
      (directory) => ['-f', '-c', `${directory}/daemon.conf`, '-s', `${directory}/bird.ctl`, '-P', `${directory}/bird.pid`],
    ),
  dump: ({ directory }, file) =>
    command('/usr/sbin/birdc', '-s', `${directory}/bird.ctl`, 'mrt', 'dump', 'table', '"master4"', 'to', `"${file}"`),
  show: ({ directory }, _config, prefix) => command('/usr/sbin/birdc', '-s', `${directory}/bird.ctl`, 'show', 'route', prefix, 'all'),
}
