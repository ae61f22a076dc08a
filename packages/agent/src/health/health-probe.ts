import type { HealthCheckIntent } from '@heddle/core'
import type { Connection, Transport } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import { backendName } from './backend-name.js'

/** Whom to ask: a backend, from within the namespace of its endpoint. */
export interface ProbeTarget {
  readonly netns: string
  readonly address: IpAddress
  /** 1–65,535. */
  readonly port: number
  readonly check: HealthCheckIntent
}

/** Asks a backend once; rejects with the reason when it does not answer as it should. The signal ends the wait. */
export type HealthProbe = (target: ProbeTarget, signal: AbortSignal) => Promise<void>

/** Why a backend is not thought to be well. */
export class ProbeError extends Error {
  override readonly name = 'ProbeError'
}

/** Octets of a response among which its status line must be. */
const MOST_OF_RESPONSE = 4096
const DEFAULT_STATUS = { first: 200, last: 399 }

/** Asks by TCP connections. @param transportIn streams of a network namespace */
export function transportProbe(transportIn: (netns: string) => Promise<Transport>): HealthProbe {
  return async ({ netns, address, port, check }, signal) => {
    const transport = await transportIn(netns)
    const connection = await transport.connect({ remote: { address, port }, signal })
    const end = (): void => connection.reset()
    signal.addEventListener('abort', end)
    try {
      signal.throwIfAborted()
      if (check.type === 'http') await askHttp(connection, check, backendName({ address, port }))
    } finally {
      signal.removeEventListener('abort', end)
      end()
    }
  }
}

/** One GET (RFC 9112 §3), of whose answer only the status line counts. */
async function askHttp(connection: Connection, { path = '/', status = DEFAULT_STATUS }: HealthCheckIntent, host: string): Promise<void> {
  const request = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: heddle\r\nAccept: */*\r\nConnection: close\r\n\r\n`
  connection.write(new TextEncoder().encode(request))
  const line = await statusLine(connection)
  const [, code] = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(line) ?? []
  if (code === undefined) throw new ProbeError(`it answered ${JSON.stringify(line.slice(0, 60))}, which is no HTTP`)
  if (Number(code) < status.first || Number(code) > status.last)
    throw new ProbeError(`it answered with status ${code}, not ${status.first}–${status.last}`)
}

async function statusLine({ chunks }: Connection): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of chunks) {
    text += decoder.decode(chunk, { stream: true })
    const end = text.indexOf('\r\n')
    if (end >= 0) return text.slice(0, end)
    if (text.length > MOST_OF_RESPONSE) break
  }
  return text
}
