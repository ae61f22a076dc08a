import { installed, versionIn } from './installed.ts'
import { AS, CONFIG_FILE, type Reflector } from './reflector.ts'

const executable = installed('/usr/bin/gobgpd')
const FAMILY = { ipv4: 'ipv4-unicast', vpnv4: 'l3vpn-ipv4-unicast' } as const

export const gobgp: Reflector = {
  name: 'GoBGP',
  executable,
  version: () => versionIn(executable!, '--version'),
  start: ({ address, port, managementPort, family, clients, directory }) => ({
    config: `
[global.config]
  as = ${AS}
  router-id = "${address}"
  port = ${port}
  local-address-list = ["${address}"]
${clients.map((client) => neighbor(address, client, FAMILY[family.name])).join('')}`,
    args: [
      '-f',
      `${directory}/${CONFIG_FILE}`,
      '-t',
      'toml',
      '--api-hosts',
      `${address}:${managementPort}`,
      '--pprof-disable',
      '--log-level',
      'error',
    ],
  }),
}

function neighbor(address: string, client: string, family: string): string {
  return `
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${client}"
    peer-as = ${AS}
  [neighbors.transport.config]
    passive-mode = true
    local-address = "${address}"
  [neighbors.timers.config]
    idle-hold-time-after-reset = 1
  [neighbors.route-reflector.config]
    route-reflector-client = true
    route-reflector-cluster-id = "${address}"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "${family}"
`
}
