import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/*
 * Behind its last request `ping` waits for answers that are missing as long as the slowest one took twice, or for an interval if that is longer: a busy machine
 * takes longer, and says that they were lost.
 */

/** Words of a `ping` that sends `count` requests at once, and waits ten seconds for their answers. What stands behind says otherwise. */
export function pingWords(count: number): string[] {
  return ['ping', '-n', '-c', `${count}`, '-l', `${count}`, '-i', '10', '-W', '10']
}

/** Words of a `ping` that sends a request every `interval` seconds until `count` are answered, or a minute is over. */
export function floodWords(count: number, interval: number, address: string): string[] {
  return ['ping', '-n', '-c', `${count}`, '-i', `${interval}`, '-w', '60', address]
}

/** Requests before the last one answered that were not; all that is said is read. @throws RangeError when too few were answered */
export async function lossOf(ping: ChildProcess): Promise<number> {
  let output = ''
  for (const stream of [ping.stdout, ping.stderr]) stream?.on('data', (chunk) => (output += String(chunk)))
  const [code] = (await once(ping, 'close')) as [number | null]
  if (code !== 0) throw new RangeError(`ping ended with ${code}: ${output}`)
  const answered = new Set(Array.from(output.matchAll(/icmp_seq=(\d+) ttl=/g), ([, sequence]) => Number(sequence)))
  return Math.max(...answered) - answered.size
}
