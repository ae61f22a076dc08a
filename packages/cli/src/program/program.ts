import type { ViewName } from '@heddle/agent'
import { Command, CommanderError, Option } from 'commander'
import { EXIT, exitCodeOf, type ExitCode } from '../exit-code.js'
import type { CniInstallCommand, CniPlaces, CniVerifyCommand } from '../command/cni.js'
import type { DataplaneRemoveOptions } from '../command/dataplane-remove.js'
import type { EndpointAddOptions } from '../command/endpoint.js'
import type { LabOptions } from '../command/lab.js'
import { LOG_LEVELS } from '../node/log-level.js'
import type { Output } from '../output/output.js'
import { printable } from '../output/table.js'
import { ENCAPSULATION_NAMES, VIEW_NAMES } from '../output/view-names.js'
import { EXAMPLES, ROLE_HELP, VIEWS_HELP, amount, helpOf, oneOfNames } from './help.js'
import { observeCommands, portNumber } from './observe.js'
import { showBgpCommands } from './show-bgp.js'

/** What the executable gives the program. */
export interface ProgramOptions {
  readonly version: string
  /** Script that runs the program, for processes of its own. */
  readonly executable: string
  readonly output: Output
  /** Standard input, for `decode`. */
  readonly input: AsyncIterable<Uint8Array>
}

/**
 * Runs one command line, the words behind `heddle`.
 *
 * @returns the exit code; errors are printed, never thrown
 */
export async function run(words: readonly string[], options: ProgramOptions): Promise<ExitCode> {
  const { output } = options
  const heddle = program(options)
  try {
    await heddle.parseAsync(words, { from: 'user' })
    return EXIT.done
  } catch (error) {
    // what is wrong has been printed
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done
    const code = error instanceof CommanderError ? EXIT.usage : exitCodeOf(error)
    if (!(error instanceof CommanderError)) for (const line of messageOf(error).split('\n')) output.error(`heddle: ${printable(line)}\n`)
    const isHelp = error instanceof CommanderError && error.code === 'commander.help'
    if (code === EXIT.usage && !isHelp) output.error(`See ${helpOf(heddle, words)}.\n`)
    return code
  }
}

/** What went wrong, in words; of the system's errors the file first. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const [, what, path] = /^E[A-Z]+: ([^,]+), \w+ '(.*)'$/.exec(error.message) ?? []
  return path === undefined ? error.message : `${path}: ${what}`
}

function program({ version, executable, output, input }: ProgramOptions): Command {
  const heddle = new Command('heddle')
    .description('MPLS/BGP layer-3 VPN overlays between clouds and data centres')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .option('--node <name>', 'the running node to ask; not needed where only one runs')
    .option('--socket <path>', 'control socket of the running node to ask')
    .showSuggestionAfterError(true)
    .configureOutput({
      writeOut: (text) => void output.write(text),
      writeErr: (text) => output.error(text.replace(/^error: /, 'heddle: ')),
    })
    .exitOverride()
    .addHelpText('after', EXAMPLES)
  const choice = (): { node?: string; socket?: string } => heddle.opts()

  for (const role of ['node', 'speaker'] as const) {
    heddle
      .command(role)
      .description(role === 'node' ? 'run a node: BGP, virtual router and control socket' : 'run a BGP speaker, such as a route reflector')
      .requiredOption('--config <file>', 'configuration (YAML)')
      .addOption(new Option('--log-level <level>', 'what is logged to standard error').choices(LOG_LEVELS).default('info'))
      .option('--check', 'only check the configuration')
      .option('--json', 'print readiness and log lines as JSON')
      .addHelpText('after', ROLE_HELP[role])
      .action(async (options: { config: string; logLevel: (typeof LOG_LEVELS)[number]; check?: boolean; json?: boolean }) => {
        const { runRole } = await import('../command/run-role.js')
        await runRole(role, options, output, version)
      })
  }

  const show = heddle
    .command('show')
    .description('show what a running node has')
    .argument('<what>', `bgp …, metrics, ${VIEW_NAMES.join(', ')}`, oneOfNames(VIEW_NAMES))
    .option('--json', 'print a JSON array')
    .addHelpText('after', VIEWS_HELP)
    .action(async (what: ViewName, options: { json?: boolean }) => {
      const { show: showView } = await import('../command/show.js')
      await showView(what, { ...choice(), ...options }, output)
    })
  showBgpCommands(show, choice, output)
  show
    .command('metrics')
    .description('what is counted of the plugin of container runtimes, as OpenMetrics text')
    .action(async () => {
      const { showMetrics } = await import('../command/cni.js')
      await showMetrics(choice(), output)
    })

  const endpoint = heddle.command('endpoint').description('attach and detach network namespaces')
  const device = (command: Command): Command =>
    command
      .requiredOption('--netns <path>', 'network namespace, as an absolute path')
      .requiredOption('--ifname <name>', 'device name inside it')
  device(endpoint.command('add').description('attach a namespace to a VRF').requiredOption('--vrf <name>', 'VRF'))
    .addOption(new Option('--link <kind>', 'what the device carries: IP packets, or Ethernet frames').choices(['ip', 'ethernet']))
    .requiredOption('--address <ip...>', 'IPv4 or IPv6 address; several may be given')
    .option('--egress-rate <bits>', 'bits a second that it may send, e.g. 10M', amount)
    .option('--egress-burst <octets>', 'octets that it may send at once', amount)
    .option('--ingress-rate <bits>', 'bits a second that it may get', amount)
    .option('--ingress-burst <octets>', 'octets that it may get at once', amount)
    .option('--json', 'print JSON')
    .action(async (options: EndpointAddOptions) => {
      const { endpointAdd } = await import('../command/endpoint.js')
      await endpointAdd({ ...choice(), ...options }, output)
    })
  device(endpoint.command('del').description('detach a namespace'))
    .option('--json', 'print JSON')
    .action(async (options: { netns: string; ifname: string; json?: boolean }) => {
      const { endpointDel } = await import('../command/endpoint.js')
      await endpointDel({ ...choice(), ...options }, output)
    })

  const cni = heddle.command('cni').description('the plugin of container runtimes')
  const places = (command: Command): Command =>
    command
      .option('--bin <dir>', 'folder of executables', '/opt/cni/bin')
      .option('--conf <dir>', 'folder of configurations', '/etc/cni/net.d')
      .option('--name <name>', 'name of the network and its file', 'heddle')
      .option('--json', 'print JSON')
  places(cni.command('install').description('let the container runtime attach pods through the agent that serves'))
    .requiredOption('--network <name>', 'virtual network of pods')
    .option('--cni-socket <path>', 'where the agent serves the plugin', '/run/heddle/cni.sock')
    .option('--chain <plugin...>', 'plugins behind it, such as portmap for hostPort; they must be in the folder of executables')
    .action(async (options: CniInstallCommand) => {
      const { cniInstall } = await import('../command/cni.js')
      await cniInstall(options, output)
    })
  places(cni.command('uninstall').description('take it back, and restore what was there before')).action(async (options: CniPlaces) => {
    const { cniUninstall } = await import('../command/cni.js')
    await cniUninstall(options, output)
  })
  cni
    .command('verify')
    .description('check a plugin, any, against the specification; needs root')
    .argument('<plugin>', 'its executable')
    .requiredOption('--config <file>', 'its configuration (JSON): type, and what only it knows')
    .option('--path <dirs>', 'folders of plugins that it delegates to', '/opt/cni/bin:/usr/lib/cni')
    .option('--host <path>', 'a network namespace that shall be its host')
    .option('--json', 'print a JSON array')
    .action(async (file: string, options: CniVerifyCommand) => {
      const { cniVerify } = await import('../command/cni.js')
      await cniVerify(file, options, output)
    })

  heddle
    .command('explain')
    .description('say what would happen to a packet, and why')
    .option('--vrf <name>', 'VRF that the packet is in')
    .option('--from <ip>', 'its source: an endpoint of this node')
    .option('--to <ip>', 'its destination')
    .addOption(new Option('--proto <name>', 'its protocol').choices(['icmp', 'tcp', 'udp']))
    .option('--sport <port>', 'source port', portNumber)
    .option('--dport <port>', 'destination port', portNumber)
    .option('--ttl <hops>', 'time to live or hop limit', portNumber)
    .option('--packet <hex>', 'an MPLS packet from the underlay instead, from its label stack on')
    .option('--tunnel-source <ip>', 'outer source address of that packet')
    .addOption(new Option('--encapsulation <name>', 'encapsulation of that packet').choices(ENCAPSULATION_NAMES))
    .option('--json', 'print JSON')
    .action(async (options: Record<string, string>) => {
      const { explain } = await import('../command/explain.js')
      await explain({ ...choice(), ...options }, output)
    })

  const decode = heddle
    .command('decode')
    .description('decode messages and files')
    .argument('<format>', 'bgp, mrt, bmp, pcap', oneOfNames(['bgp', 'mrt', 'bmp', 'pcap']))
    .action(() => undefined)
  decode
    .command('bgp')
    .description('one message a line from standard input, as hex or JSON; prints one JSON a line')
    .action(async () => {
      const { decodeStream } = await import('../decode/decode-stream.js')
      await decodeStream(input, output)
    })
  for (const [format, text] of [
    ['mrt', 'MRT files: tables and updates'],
    ['bmp', 'what a BMP station receives'],
    ['pcap', 'captures (pcap, pcapng): BGP and BMP sessions, each direction put in order'],
  ] as const) {
    decode
      .command(format)
      .description(`${text}; prints one JSON a line`)
      .argument('[file...]', 'files, plain or gzip; standard input without them, or for -')
      .addOption(new Option('--table', 'a readable line a record instead').conflicts('summary'))
      .option('--summary', 'only how many records there are of each kind')
      .action(async (files: string[], options: { table?: boolean; summary?: boolean }) => {
        const { decodeFiles } = await import('../decode/decode-files.js')
        await decodeFiles(format, { files, ...options }, input, output)
      })
  }

  observeCommands(heddle, choice, output, version)

  heddle
    .command('reload')
    .description('make a running node read its configuration again, and say what that changes')
    .option('--dry-run', 'only say what would change')
    .option('--json', 'print a JSON array')
    .action(async (options: { dryRun?: boolean; json?: boolean }) => {
      const { reload } = await import('../command/reload.js')
      await reload({ ...choice(), ...options }, output)
    })

  heddle
    .command('stop')
    .description('stop a running node')
    .option('--restart', 'it comes back soon: peers keep its routes and forwarding goes on where graceful restart is on')
    .option('--json', 'print JSON')
    .action(async ({ restart = false, json = false }: { restart?: boolean; json?: boolean }) => {
      const { ask } = await import('../command/ask.js')
      await ask(choice(), 'stop', { restart })
      if (json) output.write(`${JSON.stringify({ stopping: true, restart })}\n`)
    })

  heddle
    .command('dataplane')
    .description('what a node that forwards in the kernel has left')
    .command('remove')
    .description('take away what goes on without a node: programs, devices, pins; the next node begins anew')
    .addOption(new Option('--pins <dir>', 'where they are pinned').conflicts('config'))
    .option('--config <file>', 'configuration of the node that had them, which says where; not needed where only one has run')
    .option('--dry-run', 'only say what would be taken away')
    .option('--json', 'print JSON')
    .action(async (options: DataplaneRemoveOptions) => {
      const { dataplaneRemove } = await import('../command/dataplane-remove.js')
      await dataplaneRemove({ ...choice(), ...options }, output)
    })

  heddle
    .command('lab')
    .description('show the main job on a topology of four sites: on real parts where they are, else in memory')
    .addOption(new Option('--memory', 'in memory, in one process').conflicts('real'))
    .option('--real', 'on real parts, or fail with the list of what is missing')
    .option('--keep', 'leave the real one running after its report, until Ctrl-C')
    .addOption(
      new Option('--ebpf <nodes>', 'nodes that forward in the kernel instead of by TUN, e.g. cloud-b or cloud-a,dc-c').conflicts('memory'),
    )
    .option('--clean', 'only remove what a lab that was killed has left')
    .option('--out <dir>', 'folder for demo.json and demo.pcapng', 'out')
    .option('--json', 'print the report as JSON')
    .action(async (options: LabOptions) => {
      const { lab } = await import('../command/lab.js')
      await lab(options, executable, output)
    })

  heddle
    .command('lab-pod', { hidden: true })
    .argument('<name>')
    .action(async (name: string) => {
      const { runPod } = await import('../lab/real/pod-server.js')
      await runPod(name)
    })

  return heddle
}
