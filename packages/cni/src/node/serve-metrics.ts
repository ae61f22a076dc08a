import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Metrics that are served. */
export interface MetricsListener extends AsyncDisposable {
  /** `http://ADDRESS:PORT/metrics`. */
  readonly url: string
  /** Idempotent. */
  close(): Promise<void>
}

const TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

/**
 * Serves metrics to whoever asks for `/metrics` over HTTP, as Prometheus does.
 *
 * @param text in the OpenMetrics format, without its end line; asked anew each time
 * @param at `port` 0 takes any that is free
 * @throws the system's error when the address cannot be had
 */
export async function serveMetrics(text: () => string, { address, port }: { address: string; port: number }): Promise<MetricsListener> {
  const server = createServer((request, response) => {
    const isAsked = request.url?.split('?', 1)[0] === '/metrics' && (request.method === 'GET' || request.method === 'HEAD')
    if (isAsked) response.writeHead(200, { 'content-type': TYPE }).end(`${text()}# EOF\n`)
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('GET /metrics\n')
  })
  server.listen(port, address)
  await once(server, 'listening')
  const bound = server.address() as AddressInfo
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address
  const close = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  return { url: `http://${host}:${bound.port}/metrics`, close, [Symbol.asyncDispose]: close }
}
