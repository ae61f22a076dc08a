import { Daemon, askJson, command, find } from './daemon.js'

const gobgpd = find('/usr/bin/gobgpd', '/usr/local/bin/gobgpd')

/** Behind the name of what is not run without it; empty where it can be. */
export const withoutGobgp = gobgpd === undefined ? ' (not run: GoBGP is not installed)' : ''

/** How a GoBGP is set up that waits for one neighbor. */
export interface GobgpSetup {
  /** Its own address, which is its identifier too. */
  readonly address: string
  readonly port: number
  /** Port of its control interface: below those that the kernel gives away. */
  readonly api: string
  /** Default 65000. */
  readonly as?: number
  readonly neighbor: { readonly address: string; readonly as?: number; readonly reflectorClient?: boolean }
  /** By GoBGP's names. */
  readonly families: readonly string[]
  /** Graceful restart: of the session alone, or with these seconds and in each family. */
  readonly gracefulRestart?: true | { readonly restartTime: number; readonly deferralTime: number }
  /** What stands between the global section and the neighbor. */
  readonly more?: string
}

/** GoBGP as a peer: its daemon, and what its own client says. */
export class Gobgp {
  constructor(private readonly setup: GobgpSetup) {}

  /** Starts it. @param words more for its command line */
  async start(...words: readonly string[]): Promise<Daemon> {
    const { address, api } = this.setup
    return Daemon.start(gobgpd ?? '', configOf(this.setup), (directory) => [
      '-f',
      `${directory}/daemon.conf`,
      '--api-hosts',
      `${address}:${api}`,
      '--pprof-disable',
      ...words,
    ])
  }

  /** Runs its client. */
  async tell(...words: readonly string[]): Promise<string> {
    return command('gobgp', ...this.#client(), ...words)
  }

  /** What its client prints as JSON; `undefined` while it prints something else. */
  async ask(...words: readonly string[]): Promise<unknown> {
    return askJson('gobgp', ...this.#client(), ...words, '-j')
  }

  #client(): readonly string[] {
    return ['-u', this.setup.address, '-p', this.setup.api]
  }
}

function configOf({ address, port, as = 65_000, neighbor, families, gracefulRestart, more = '' }: GobgpSetup): string {
  const times = typeof gracefulRestart === 'object' ? gracefulRestart : undefined
  const restart = gracefulRestart === undefined ? '' : '[neighbors.graceful-restart.config]\n    enabled = true'
  const reflector = `[neighbors.route-reflector.config]\n    route-reflector-client = true\n    route-reflector-cluster-id = "${address}"`
  const family = (name: string): string => `
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "${name}"
    ${times === undefined ? '' : '[neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true'}`
  return `
[global.config]
  as = ${as}
  router-id = "${address}"
  port = ${port}
  local-address-list = ["${address}"]
${more}
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${neighbor.address}"
    peer-as = ${neighbor.as ?? 65_000}
  [neighbors.transport.config]
    passive-mode = true
    local-address = "${address}"
  ${restart}
    ${times === undefined ? '' : `restart-time = ${times.restartTime}\n    deferral-time = ${times.deferralTime}`}
  ${neighbor.reflectorClient === true ? reflector : ''}
${families.map(family).join('')}
`
}
