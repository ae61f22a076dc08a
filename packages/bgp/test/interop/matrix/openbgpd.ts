import { mkdir } from 'node:fs/promises'
import { Daemon, command, find } from '../daemon.js'
import { reasonOf, type MatrixConfig, type MatrixDaemon, type MatrixPeer } from './matrix-daemon.js'

const bgpd = find('/usr/sbin/bgpd')
const control = find('/usr/sbin/bgpctl')
/** Home of its user, to which it confines itself; a service would make it. */
const CHROOT = '/run/openbgpd'
/** Goes with the directory; what it is called before that is known. */
const HERE = '@here@'
const socketIn = (directory: string): string => `${directory}/bgpd.sock`

const session = (config: MatrixConfig, { address, port, as = 65000, md5, addPath = false }: MatrixPeer): string => `
neighbor ${address} {
  remote-as ${as}
  ${port === undefined ? 'passive' : `port ${port}`}
  local-address ${config.address}
  holdtime 9
  multihop 2
  ${as === 65000 ? 'route-reflector' : ''}
  ${md5 === undefined ? '' : `tcp md5sig password ${md5}`}
  announce IPv4 unicast
  ${addPath ? 'announce add-path send all\n  announce add-path recv yes' : ''}
}`

/** OpenBGPD's portable edition. */
export const OPENBGPD: MatrixDaemon = {
  name: 'OpenBGPD 7.7',
  reason: reasonOf(control === undefined ? undefined : bgpd, true),
  has: { routeRefresh: false, extendedMessages: false, longLived: false },
  signsOwnConnectionsOnly: true,
  async start(config) {
    await mkdir(CHROOT, { recursive: true, mode: 0o755 })
    return Daemon.start(
      '/bin/sh',
      `AS 65000
router-id ${config.address}
listen on ${config.address} port ${config.port}
fib-update no
nexthop qualify via default
socket "${socketIn(HERE)}"
${config.peers.map((peer) => session(config, peer)).join('')}
allow from any
allow to any
`,
      (directory) => [
        '-c',
        `chmod 755 ${directory} && sed -i s#${HERE}#${directory}# ${directory}/daemon.conf && chmod 600 ${directory}/daemon.conf && exec ${bgpd} -d -f ${directory}/daemon.conf`,
      ],
    )
  },
  show: ({ directory }, _config, prefix) => command(control ?? '', '-s', socketIn(directory), 'show', 'rib', 'detail', prefix),
}
