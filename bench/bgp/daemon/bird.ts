import { installed, versionIn } from './installed.ts'
import { AS, CONFIG_FILE, type Reflector, type ReflectorSetup } from './reflector.ts'

const executable = installed('/usr/sbin/bird')

export const bird: Reflector = {
  name: 'BIRD',
  executable,
  note: 'in a dump it sometimes sleeps with routes left to send until a timer wakes it, so that its rounds differ by seconds',
  version: () => versionIn(executable!, '--version'),
  start: (setup) => ({
    config: `
router id ${setup.address};
vpn4 table vpn4tab;
protocol device {}
${setup.clients.map((client, at) => protocol(setup, client, at)).join('')}`,
    args: ['-f', '-c', `${setup.directory}/${CONFIG_FILE}`, '-s', `${setup.directory}/bird.ctl`, '-P', `${setup.directory}/bird.pid`],
  }),
}

function protocol({ address, port, family }: ReflectorSetup, client: string, at: number): string {
  const channel = family.name === 'ipv4' ? 'ipv4 {' : 'vpn4 mpls { table vpn4tab;'
  return `
protocol bgp client${at} {
  local ${address} port ${port} as ${AS};
  neighbor ${client} as ${AS};
  passive on;
  rr client;
  ${channel} import all; export all; next hop keep; };
}`
}
