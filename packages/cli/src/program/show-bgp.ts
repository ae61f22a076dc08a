import type { FamilyName, PolicyMatch } from '@heddle/bgp'
import { Option, type Command } from 'commander'
import type { BgpRequest, BgpViewName } from '../bgp/bgp-request.js'
import type { NodeChoice } from '../control/find-socket.js'
import type { Output } from '../output/output.js'
import { BGP_TABLE_NAMES, FAMILY_NAMES } from '../output/view-names.js'
import { oneOfNames, positive } from './help.js'

interface RouteOptions {
  readonly family?: FamilyName[]
  readonly table?: BgpRequest['table']
  readonly peer?: string
  readonly vrf?: string
  readonly longer?: boolean
  readonly rd?: string[]
  readonly community?: string[]
  readonly largeCommunity?: string[]
  readonly extendedCommunity?: string[]
  readonly asPath?: string[]
  readonly nextHop?: string[]
  readonly origin?: ('igp' | 'egp' | 'incomplete')[]
  readonly follow?: boolean
  readonly json?: boolean
}

/** The words behind `heddle show bgp`. */
export function showBgpCommands(show: Command, choice: () => NodeChoice, output: Output): void {
  // the commands around a view have an option of that name too, and see it first
  const format = (): { json?: true } => (show.opts()['json'] === true || bgp.opts()['json'] === true ? { json: true } : {})
  const summary = async (options: { readonly json?: boolean }): Promise<void> => {
    const { show: showView } = await import('../command/show.js')
    await showView('neighbors', { ...choice(), ...options, ...format() }, output)
  }
  const bgp = show.command('bgp').description('what the BGP speaker of a running node has')
  const ask = async (request: BgpRequest, options: { readonly json?: boolean }): Promise<void> => {
    const { showBgp } = await import('../command/show-bgp.js')
    await showBgp(request, { ...choice(), ...options, ...format() }, output)
  }
  const json = (command: Command): Command => command.option('--json', 'print a JSON array; a watch one object a line')

  json(bgp)
    .argument('[what]', VIEWS.join(', '), oneOfNames(VIEWS))
    .action(async (_none: undefined, options: { json?: boolean }) => summary(options))
  json(bgp.command('summary').description('a line a neighbor (as heddle show neighbors)')).action(summary)
  json(bgp.command('neighbors').description('sessions: capabilities, timers, counters, last error').argument('[address]')).action(
    async (peer: string | undefined, options: { json?: boolean }) =>
      ask({ what: 'neighbors', ...(peer === undefined ? {} : { peer }) }, options),
  )
  for (const [what, text] of [
    ['routes', 'routes of a table'],
    ['attributes', 'attributes that routes share, those with most routes first'],
  ] as const) {
    const command = json(filters(bgp.command(what).description(text).argument('[prefix]', 'exactly this destination')))
      .addOption(new Option('--table <name>', 'which routes').choices(BGP_TABLE_NAMES).default('adj-in'))
      .option('--peer <address>', 'only what came from, or was sent to, this neighbor; local for our own')
    if (what === 'routes') command.option('--follow', 'best paths and states of neighbors as they change, numbered without a gap')
    command.action(async (prefix: string | undefined, options: RouteOptions) =>
      ask(routeRequest(options.follow === true ? 'watch' : what, prefix, options), options),
    )
  }
  json(
    filters(
      bgp.command('explain').description('every path to a destination with its rank and why, and what each neighbor is told'),
    ).argument('<prefix>', 'a destination'),
  ).action(async (prefix: string, options: RouteOptions) => ask(routeRequest('explain', prefix, options), options))
  json(bgp.command('policies').description('import and export policies as they are applied').argument('[address]')).action(
    async (peer: string | undefined, options: { json?: boolean }) =>
      ask({ what: 'policies', ...(peer === undefined ? {} : { peer }) }, options),
  )
  json(bgp.command('metrics').description('sessions, messages, routes, queues, scheduler')).action(async (options: { json?: boolean }) =>
    ask({ what: 'metrics' }, options),
  )
  json(bgp.command('statistics').description('what became of each neighbor’s routes')).action(async (options: { json?: boolean }) =>
    ask({ what: 'statistics' }, options),
  )
  bgp
    .command('trace')
    .description('messages of a session as they go, one JSON a line, until interrupted')
    .argument('<address>', 'the neighbor')
    .option('--pcapng <file>', 'write a capture instead; - for standard output')
    .option('--count <number>', 'end after so many messages', positive)
    .action(async (peer: string, options: { pcapng?: string; count?: number }) => {
      const { traceBgp } = await import('../command/trace-bgp.js')
      await traceBgp(peer, { ...choice(), ...options }, output)
    })
}

const VIEWS = ['summary', 'neighbors', 'routes', 'attributes', 'explain', 'policies', 'metrics', 'statistics', 'trace']

function filters(command: Command): Command {
  return command
    .addOption(new Option('--family <name...>', 'address families').choices(FAMILY_NAMES))
    .option('--vrf <name>', 'a VRF of the speaker, whose customers are its neighbors')
    .option('--longer', 'the prefix and all longer ones')
    .option('--rd <rd...>', 'route distinguishers')
    .option('--community <pattern...>', 'communities, e.g. 65000:*')
    .option('--large-community <pattern...>', 'large communities')
    .option('--extended-community <pattern...>', 'extended communities, e.g. rt:65000:1')
    .option('--as-path <pattern...>', 'patterns of AS numbers')
    .option('--next-hop <prefix...>', 'prefixes that the next hop is in')
    .addOption(new Option('--origin <name...>', 'origins').choices(['igp', 'egp', 'incomplete']))
}

const MATCH_KEYS = ['rd', 'community', 'largeCommunity', 'extendedCommunity', 'asPath', 'nextHop', 'origin'] as const

function routeRequest(what: BgpViewName, prefix: string | undefined, options: RouteOptions): BgpRequest {
  const { family, table, peer, vrf, longer = false } = options
  const match: PolicyMatch = {
    ...(prefix === undefined ? {} : { prefix: [longer ? `${prefix} le ${prefix.includes(':') ? 128 : 32}` : prefix] }),
    ...Object.fromEntries(MATCH_KEYS.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]]))),
  }
  return {
    what,
    ...(family === undefined ? {} : { families: family }),
    ...(table === undefined || what === 'watch' || what === 'explain' ? {} : { table }),
    ...(peer === undefined ? {} : { peer }),
    ...(vrf === undefined ? {} : { vrf }),
    ...(Object.keys(match).length === 0 ? {} : { match }),
  }
}
