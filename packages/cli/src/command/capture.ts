import { pcapngWriter } from '@heddle/dataplane-memory'
import { ControlClient } from '../control/client.js'
import { findSocket, type NodeChoice } from '../control/find-socket.js'
import { UsageError } from '../exit-code.js'
import type { EndpointCaptureRequest } from '../observe/observe-request.js'
import type { CaptureRow } from '../observe/observe-stream.js'
import { openByteSink } from '../output/byte-sink.js'
import type { Output } from '../output/output.js'

export interface CaptureOptions extends NodeChoice, EndpointCaptureRequest {
  /** A file or pipe; standard output when left out. */
  readonly write?: string
  /** Packets after which it ends. */
  readonly count?: number
}

/** `heddle capture`: the packets of an endpoint as pcapng, as they go, until interrupted. */
export async function capture({ write = '-', count, ...options }: CaptureOptions, output: Output): Promise<void> {
  if (write === '-' && output.isTerminal) throw new UsageError('a capture is nothing for a terminal: name a file with --write, or pipe it')
  const { node: _node, socket: _socket, ...request } = options
  const client = await ControlClient.connect(await findSocket(options))
  const chunks: Uint8Array[] = []
  const writer = pcapngWriter((chunk) => chunks.push(chunk))
  const link = writer.addInterface(request.vrf === undefined ? request.address : `${request.vrf} ${request.address}`, 'raw')
  let left = count ?? Number.POSITIVE_INFINITY
  const sink = openByteSink(write, output)
  try {
    const flush = async (): Promise<void> => {
      for (const chunk of chunks.splice(0)) await sink.write(chunk)
    }
    await flush()
    for await (const rows of client.stream('capture', request)) {
      for (const { time, lost, direction, length, hex } of rows as readonly CaptureRow[]) {
        const packet = Uint8Array.from(Buffer.from(hex, 'hex'))
        writer.packet(link, Math.round(time * 1000), packet, {
          length,
          direction: direction === 'egress' ? 'outbound' : 'inbound',
          ...(lost > 0 && { comment: `${lost} packets before this one were left out` }),
        })
        if (--left <= 0) break
      }
      await flush()
      if (left <= 0) return
    }
  } finally {
    await client.close()
    await sink.close()
  }
}
