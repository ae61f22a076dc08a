import { InvalidArgumentError, type Command } from 'commander'
import { readAmount } from '../amount.js'
import { didYouMean } from '../config/did-you-mean.js'

/** Behind the help of `heddle`. */
export const EXAMPLES = `
Examples:
  heddle node --config node.yaml                   run a node
  heddle speaker --config speaker.yaml             run a route reflector
  heddle show routes --json                        what is in the VRFs
  heddle show bgp routes 10.0.0.0/8 --longer       what BGP has
  heddle endpoint add --vrf red --netns /run/netns/pod --ifname eth0 --address 10.1.0.1
  heddle explain --vrf red --from 10.1.0.1 --to 10.1.0.2 --proto tcp --dport 80
  heddle trace --vrf red --proto tcp --port 80 --dropped
  heddle capture --vrf red --address 10.1.0.1 | wireshark -k -i -
  heddle decode bgp < messages.hex                 one JSON a line
  heddle cni verify /usr/lib/cni/ptp --config ptp.json
  heddle lab                                       see all of it work

Exit codes: 0 done, 1 refused, 2 usage, 3 node unreachable.
`

/** Behind the help of what reads a configuration: one to begin with, and what becomes of signals. */
export const ROLE_HELP = {
  node: `
A configuration to begin with; its keys are in docs/schema/node.schema.json and the README of @heddle/cli:
  node: { name: node-1, address: 192.0.2.1 }     # its address in the underlay
  bgp:
    as: 65000
    neighbors: [{ address: 192.0.2.9, as: 65000 }]
  vrfs:
    - { name: red, rd: '65000:1', import: ['65000:1'], export: ['65000:1'] }
  dataplane: { kind: tun }                       # or ebpf, or memory

Signals: SIGHUP reads the configuration again (heddle reload), SIGTERM withdraws and ends, SIGUSR2 ends for a restart.
`,
  speaker: `
A configuration to begin with; its keys are in docs/schema/speaker.schema.json and the README of @heddle/cli:
  node: { name: rr-1, address: 192.0.2.9 }
  bgp:
    as: 65000
    listen: [{ address: 192.0.2.9 }]
    neighbors:
      - { address: 192.0.2.1, as: 65000, routeReflectorClient: true }

Signals: SIGHUP reads the configuration again (heddle reload), SIGTERM withdraws and ends, SIGUSR2 ends for a restart.
`,
} as const

/** Behind the help of `heddle show`. */
export const VIEWS_HELP = `
What there is to see:
  neighbors   a line a BGP session
  vrfs        virtual networks with their route targets and labels
  routes      what is in them: where each route came from, where it leads, whether it is installed
  labels      what each incoming label means
  tunnels     to whom packets are sent, by which encapsulation
  endpoints   pods, containers and VMs that are attached
  services    virtual addresses with their backends, and which of these are up
  drops       packets that were dropped, by reason
  bfd         whether the ways to others work
  dataplane   what forwards, what it can do, how full its tables are, what it chose and why
  bpf         programs, maps, links and pins in the kernel, ours and those of others on our links
  metrics     counts of the plugin of container runtimes and of backends, for Prometheus
  bgp         all of the BGP speaker: heddle show bgp --help
`

/** Reads one of `names`; who has mistyped is told which is near. */
export function oneOfNames<Name extends string>(names: readonly Name[]): (text: string) => Name {
  return (text) => {
    const name = names.find((one) => one === text)
    if (name !== undefined) return name
    const near = didYouMean(text, names)
    throw new InvalidArgumentError(`Allowed: ${names.join(', ')}.${near === undefined ? '' : ` Did you mean ${near}?`}`)
  }
}

/** Where to read on after a command line that was wrong, e.g. `heddle show bgp --help`. */
export function helpOf(program: Command, words: readonly string[]): string {
  const path = [program.name()]
  let command = program
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word)
    if (next === undefined) continue
    command = next
    path.push(word)
  }
  return `${path.join(' ')} --help`
}

/** For commander: a number with a unit. */
export function amount(text: string): number {
  const value = readAmount(text)
  if (value === undefined)
    throw new InvalidArgumentError('Allowed: a whole number of at least 1, with k, M, G or T behind it for thousands.')
  return value
}

/** For commander: how many of something. */
export function positive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Allowed: 1–999999999.')
  return Number(text)
}
