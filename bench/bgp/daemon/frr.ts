import { installed, versionIn } from './installed.ts'
import { AS, CONFIG_FILE, type Reflector } from './reflector.ts'

const executable = installed('/usr/lib/frr/bgpd')

export const frr: Reflector = {
  name: 'FRR',
  executable,
  version: () => versionIn(executable!, '--version'),
  note: 'bgpd alone, without zebra',
  start: ({ address, port, family, clients, directory }) => ({
    config: `
router bgp ${AS}
 bgp router-id ${address}
 no bgp default ipv4-unicast
 no bgp network import-check
${clients.map((peer) => ` neighbor ${peer} remote-as ${AS}\n neighbor ${peer} passive\n neighbor ${peer} update-source ${address}`).join('\n')}
 address-family ipv4 ${family.name === 'ipv4' ? 'unicast' : 'vpn'}
${clients.map((peer) => `  neighbor ${peer} activate\n  neighbor ${peer} route-reflector-client`).join('\n')}
 exit-address-family
`,
    args: [
      ['-nZS', '-f', `${directory}/${CONFIG_FILE}`, '-i', `${directory}/bgpd.pid`, '--vty_socket', directory],
      ['-p', String(port), '-l', address, '-P', '0', '--log', 'stdout', '--log-level', 'errors'],
    ].flat(),
  }),
}
