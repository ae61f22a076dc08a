import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { endProcess } from './end-process.js'
import type { Namespaces } from './namespaces.js'

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/**
 * Sends octets over TCP from one namespace to an address of another; whether they arrived as they were.
 *
 * @throws RangeError when they were not sent
 */
export async function tcpStream(
  namespaces: Namespaces,
  [from, to]: readonly [string, string],
  address: string,
  octets: number,
): Promise<boolean> {
  const server = namespaces.start(to, process.execPath, script('tcp-server.mjs'), address)
  try {
    await once(server.stdout as NodeJS.ReadableStream, 'data')
    const client = namespaces.start(from, process.execPath, script('tcp-client.mjs'), address, `${octets}`)
    const said = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) client[stream]?.on('data', (chunk) => (said[stream] += String(chunk)))
    const [code] = (await once(client, 'close')) as [number | null]
    if (code !== 0) throw new RangeError(`the sender ended with ${code}: ${said.stderr}`)
    const [answer, wanted] = said.stdout.trim().split(' ')
    return answer === wanted
  } finally {
    await endProcess(server)
  }
}
