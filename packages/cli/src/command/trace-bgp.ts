import { TracePackets, addressOf, decodeToJson } from '@heddle/bgp'
import { pcapngWriter } from '@heddle/dataplane-memory'
import { IpAddress } from '@heddle/wire'
import type { TraceRow } from '../bgp/trace-rows.js'
import { ControlClient } from '../control/client.js'
import { findSocket, type NodeChoice } from '../control/find-socket.js'
import { openByteSink } from '../output/byte-sink.js'
import type { Output } from '../output/output.js'

export interface TraceBgpOptions extends NodeChoice {
  /** A file, or `-` for standard output; without it messages are printed, one JSON a line. */
  readonly pcapng?: string
  /** Messages after which it ends. */
  readonly count?: number
}

type Row = TraceRow | { readonly lost: number }

/** `heddle show bgp trace PEER`: each message of a session, as JSON or as a capture for dissectors, until it is interrupted. */
export async function traceBgp(peer: string, { pcapng, count, ...choice }: TraceBgpOptions, output: Output): Promise<void> {
  const client = await ControlClient.connect(await findSocket(choice))
  const sink = pcapng === undefined ? undefined : openByteSink(pcapng, output)
  const print = sink === undefined ? jsonLines(output) : capture(async (chunk) => sink.write(chunk))
  let left = count ?? Number.POSITIVE_INFINITY
  try {
    for await (const rows of client.stream('bgp', { what: 'trace', peer })) {
      for (const row of rows as readonly Row[]) {
        await print(row)
        if (!('lost' in row) && --left <= 0) return
      }
    }
  } finally {
    await client.close()
    await sink?.close()
  }
}

function jsonLines(output: Output): (row: Row) => Promise<void> {
  return async (row) => {
    const shown = 'lost' in row ? row : { ...row, time: new Date(row.time).toISOString(), ...decodeToJson(row.hex, { peerType: 'ibgp' }) }
    if (!output.write(`${JSON.stringify(shown)}\n`)) await output.drained()
  }
}

function capture(write: (chunk: Uint8Array) => Promise<void>): (row: Row) => Promise<void> {
  const chunks: Uint8Array[] = []
  const writer = pcapngWriter((chunk) => chunks.push(chunk))
  const link = writer.addInterface('bgp', 'raw')
  let packets: TracePackets | undefined
  return async (row) => {
    if (!('lost' in row)) {
      packets ??= new TracePackets(endsOf(row))
      const message = Uint8Array.from(Buffer.from(row.hex, 'hex'))
      for (const packet of packets.packetsOf(row.direction, message)) writer.packet(link, row.time * 1000, packet)
    }
    for (const chunk of chunks.splice(0)) await write(chunk)
  }
}

/** Until a session is established nobody has said which address of ours it uses. */
function endsOf({ neighbor, localAddress }: TraceRow): { readonly local: IpAddress; readonly remote: IpAddress } {
  const remote = addressOf(neighbor) ?? IpAddress.parse('::')
  const unspecified = remote.family === 4 ? '0.0.0.0' : '::'
  return { remote, local: IpAddress.parse(localAddress ?? unspecified) }
}
