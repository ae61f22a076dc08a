import type { Namespaces } from './namespaces.ts'

/** Counters of the kernel in a namespace, by `GROUP.NAME`: those of `/proc/net/snmp` and `netstat`. */
export function kernelCounters(namespaces: Namespaces, short: string): ReadonlyMap<string, number> {
  const said = namespaces.run(short, 'cat /proc/net/snmp /proc/net/netstat')
  const found = new Map<string, number>()
  // Of each group a line of names, and one of values.
  for (const [, group, names, values] of said.matchAll(/^(\w+): (.*)\n\1: (.*)$/gm)) {
    const counts = values.split(' ')
    for (const [at, name] of names.split(' ').entries()) found.set(`${group}.${name}`, Number(counts[at]))
  }
  return found
}

/** Datagrams that reached a socket, or were dropped at one that was full. */
export function datagramsTo(namespaces: Namespaces, short: string): number {
  const counters = kernelCounters(namespaces, short)
  return counters.get('Udp.InDatagrams')! + counters.get('Udp.RcvbufErrors')!
}
