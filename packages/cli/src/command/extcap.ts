import { readdir } from 'node:fs/promises'
import type { EndpointRow } from '@heddle/agent'
import type { NodeChoice } from '../control/find-socket.js'
import { UsageError } from '../exit-code.js'
import type { Output } from '../output/output.js'
import { ask } from './ask.js'
import { capture } from './capture.js'

/** What Wireshark says to an extcap program (extcap(4)), besides its own options. */
export interface ExtcapOptions extends NodeChoice {
  readonly extcapInterfaces?: boolean
  readonly extcapDlts?: boolean
  readonly extcapConfig?: boolean
  readonly extcapInterface?: string
  readonly capture?: boolean
  readonly fifo?: string
  readonly direction?: 'ingress' | 'egress' | 'both'
  readonly snapLength?: number
}

/** Link type of packets that begin with their IP header. */
const LINKTYPE_RAW = 101
/** Before the words that name an endpoint in the name of an interface. */
const PREFIX = 'heddle'

/**
 * The program behind Wireshark's list of interfaces: each endpoint of each node of this host is one. For the executable `heddle` to be one, a script in
 * Wireshark's extcap folder calls `heddle capture "$@"`.
 *
 * @returns whether the options were Wireshark's
 */
export async function extcap(options: ExtcapOptions, output: Output, version: string): Promise<boolean> {
  if (options.extcapInterfaces === true) {
    output.write(`extcap {version=${version}}{help=https://www.wireshark.org/docs/man-pages/extcap.html}\n${await interfaces(options)}`)
    return true
  }
  if (options.extcapDlts === true) {
    output.write(`dlt {number=${LINKTYPE_RAW}}{name=RAW}{display=IP packets of an endpoint}\n`)
    return true
  }
  if (options.extcapConfig === true) {
    output.write(CONFIG)
    return true
  }
  if (options.capture !== true) return false
  const { fifo, extcapInterface, direction, snapLength } = options
  if (fifo === undefined || extcapInterface === undefined) throw new UsageError('--capture needs --extcap-interface and --fifo')
  const { node, vrf, address } = endpointOf(extcapInterface)
  const choice = options.socket === undefined ? { node } : { socket: options.socket }
  await capture({ ...choice, vrf, address, write: fifo, ...(direction && { direction }), ...(snapLength && { snapLength }) }, output)
  return true
}

const CONFIG = [
  'arg {number=0}{call=--direction}{display=Direction}{type=selector}{tooltip=As the endpoint sees it}',
  'value {arg=0}{value=both}{display=Both}{default=true}',
  'value {arg=0}{value=ingress}{display=To the endpoint}{default=false}',
  'value {arg=0}{value=egress}{display=From the endpoint}{default=false}',
  'arg {number=1}{call=--snap-length}{display=Snap length}{type=integer}{range=1,65535}{tooltip=Octets of a packet that are copied at most}',
]
  .map((line) => `${line}\n`)
  .join('')

/** A line for each endpoint of each node that answers. */
async function interfaces({ node, socket }: ExtcapOptions): Promise<string> {
  const choices: NodeChoice[] =
    node === undefined && socket === undefined ? await nodesOfHost() : [{ ...(node && { node }), ...(socket && { socket }) }]
  const lines: string[] = []
  for (const choice of choices) {
    const { name, role } = (await ask(choice, 'info')) as { readonly name: string; readonly role: string }
    if (role !== 'node') continue
    for (const { vrf, ifname, addresses } of (await ask(choice, 'show', { what: 'endpoints' })) as readonly EndpointRow[]) {
      const [address] = addresses
      const value = [PREFIX, name, vrf, address].join('/')
      lines.push(`interface {value=${value}}{display=Heddle ${name}: ${address} in ${vrf} (${ifname})}\n`)
    }
  }
  return lines.join('')
}

async function nodesOfHost(): Promise<NodeChoice[]> {
  const names = await readdir('/run/heddle').catch(() => [])
  return names.filter((name) => name.endsWith('.sock') && !name.startsWith('.')).map((name) => ({ node: name.slice(0, -'.sock'.length) }))
}

function endpointOf(text: string): { readonly node: string; readonly vrf: string; readonly address: string } {
  const [prefix, node, vrf, address] = text.split('/')
  if (prefix !== PREFIX || node === undefined || vrf === undefined || address === undefined) {
    throw new UsageError(`--extcap-interface takes a name that --extcap-interfaces gave, found ${JSON.stringify(text)}`)
  }
  return { node, vrf, address }
}
