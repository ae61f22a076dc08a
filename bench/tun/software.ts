import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { kernelVersion, root } from '../harness/machine.ts'
import type { Software } from '../harness/result.ts'
import { NAMES, type Contender } from './contender.ts'

const NOTES: Readonly<Record<string, string>> = {
  [NAMES.c]: 'bench/tun/native/forwarder.c: the same offloads and threads, one peer, nothing but the way of a packet',
  [NAMES.vxlan]: 'with UDP checksums, routed between veth pairs',
  [NAMES.routing]: 'veth pairs, no tunnel',
}

/** What took part, Heddle first. */
export function softwareOf(contenders: readonly Pick<Contender, 'name'>[]): Software[] {
  return contenders.map(({ name }) => {
    const note = NOTES[name]
    return {
      name,
      version: name === NAMES.heddle ? heddleVersion() : name === NAMES.c ? heddleVersion() : kernelVersion(),
      role: name === NAMES.heddle ? 'subject' : 'rival',
      ...(note !== undefined && { note }),
    }
  })
}

export function heddleVersion(): string {
  const { version } = JSON.parse(readFileSync(join(root, 'packages', 'dataplane-tun', 'package.json'), 'utf8')) as { version: string }
  return version
}
