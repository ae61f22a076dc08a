import { InvalidArgumentError, Option, type Command } from 'commander'
import type { ExtcapOptions } from '../command/extcap.js'
import type { NodeChoice } from '../control/find-socket.js'
import { UsageError } from '../exit-code.js'
import type { Output } from '../output/output.js'
import { positive } from './help.js'

const PROTOCOLS: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 }

interface TraceWords {
  readonly vrf?: string
  readonly host?: string[]
  readonly proto?: number
  readonly port?: number
  readonly dropped?: boolean
  readonly count?: number
  readonly json?: boolean
}

interface CaptureWords extends ExtcapOptions {
  readonly vrf?: string
  readonly address?: string
  readonly write?: string
  readonly count?: number
  readonly extcapVersion?: string | true
}

/** `heddle trace` and `heddle capture`. */
export function observeCommands(heddle: Command, choice: () => NodeChoice, output: Output, version: string): void {
  heddle
    .command('trace')
    .description('tell of live packets, each with what the dataplane does with it and why, until interrupted')
    .option('--vrf <name>', 'VRF that they are in')
    .option('--host <ip...>', 'address or prefix of one of their ends; two: of both')
    .option('--proto <name>', 'icmp, icmpv6, tcp, udp, sctp or an IP protocol number', protocolNumber)
    .option('--port <port>', 'port of one of their ends, 0–65535', portNumber)
    .option('--dropped', 'only those that are dropped')
    .option('--count <packets>', 'packets after which it ends', positive)
    .option('--json', 'print one JSON a line')
    .action(async ({ host, proto, ...words }: TraceWords) => {
      const { trace } = await import('../command/trace.js')
      await trace({ ...choice(), ...words, ...(host && { hosts: host }), ...(proto !== undefined && { protocol: proto }) }, output)
    })

  const capture = heddle
    .command('capture')
    .description('write the packets of an endpoint as pcapng, as they go, until interrupted')
    .option('--address <ip>', 'an address of the endpoint')
    .option('--vrf <name>', 'its VRF, where endpoints of several have the address')
    .addOption(new Option('--direction <direction>', 'as the endpoint sees it').choices(['ingress', 'egress', 'both']))
    .option('--snap-length <octets>', 'octets of a packet that are copied at most', octets)
    .option('--count <packets>', 'packets after which it ends', positive)
    .option('-w, --write <file>', 'file to write; standard output when left out')
    .addHelpText('after', EXTCAP)
  const hidden = ['--extcap-interfaces', '--extcap-dlts', '--extcap-config', '--capture']
  for (const flag of hidden) capture.addOption(new Option(flag).hideHelp())
  for (const flag of ['--extcap-interface <name>', '--fifo <path>', '--extcap-capture-filter <text>', '--extcap-version [version]']) {
    capture.addOption(new Option(flag).hideHelp())
  }
  capture.action(async ({ address, extcapVersion: _wireshark, write, ...words }: CaptureWords) => {
    const { extcap } = await import('../command/extcap.js')
    if (await extcap({ ...choice(), ...words }, output, version)) return
    if (address === undefined) throw new UsageError('--address is needed: whose packets?')
    const { capture: captureEndpoint } = await import('../command/capture.js')
    const { vrf, direction, snapLength, count } = words
    const request = {
      address,
      ...(vrf && { vrf }),
      ...(direction && { direction }),
      ...(snapLength && { snapLength }),
      ...(count && { count }),
    }
    await captureEndpoint({ ...choice(), ...request, ...(write && { write }) }, output)
  })
}

function protocolNumber(text: string): number {
  const value = PROTOCOLS[text] ?? Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 255 || text === '')
    throw new InvalidArgumentError(`Allowed: ${Object.keys(PROTOCOLS).join(', ')}, 0–255.`)
  return value
}

/** 0–65535. */
export function portNumber(text: string): number {
  const value = Number(text)
  if (!/^\d{1,5}$/.test(text) || value > 65_535) throw new InvalidArgumentError('Allowed: 0–65535.')
  return value
}

/** 1–65535. */
function octets(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text) || Number(text) > 65_535) throw new InvalidArgumentError('Allowed: 1–65535.')
  return Number(text)
}

const EXTCAP = `
In Wireshark, endpoints are interfaces when its extcap folder has an executable script of two lines:
  #!/bin/sh
  exec heddle capture "$@"
`
