import { fstatSync } from 'node:fs'
import { LinuxError } from './linux-error.js'
import { callAsync } from './native/call.js'
import { namespacePath, type NamespaceReference } from './network-namespace.js'

/* What only the kernel sees go, by its own counters: files of /proc/net (proc(5)). */

/** Files that list sockets, each line with an inode and a count of drops. */
const SOCKET_FILES = ['udp', 'udp6', 'raw', 'raw6'] as const

/**
 * Packets that the kernel dropped at UDP and raw sockets of a namespace since they were opened, by the number of the socket (`socketNumber`): the receive
 * buffer was full.
 *
 * @throws LinuxError `ENOENT` for a namespace that is not there, `EPERM` when it may not be entered
 */
export async function socketDrops(namespace?: NamespaceReference): Promise<ReadonlyMap<number, number>> {
  const path = namespacePath(namespace)
  const texts = await Promise.all(SOCKET_FILES.map((file) => statistics(path, file)))
  return new Map(texts.flatMap((text) => [...parseSocketDrops(text)]))
}

/** Number of the socket of a descriptor; all descriptors of one socket have the same. @throws Error as `fstat` */
export function socketNumber(fd: number): number {
  return fstatSync(fd).ino
}

/** @param text a line of titles, then `sl local remote st queues timer retransmissions uid timeout inode references pointer drops` a socket */
export function parseSocketDrops(text: string): Map<number, number> {
  const drops = new Map<number, number>()
  for (const line of text.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/)
    if (fields.length >= 13) drops.set(Number(fields[9]), Number(fields[12]))
  }
  return drops
}

/**
 * UDP datagrams of a namespace with a wrong checksum, since it was made.
 *
 * @throws LinuxError `ENOENT` for a namespace that is not there, `EPERM` when it may not be entered
 */
export async function checksumDrops(namespace?: NamespaceReference): Promise<number> {
  const path = namespacePath(namespace)
  const [v4, v6] = await Promise.all([statistics(path, 'snmp'), statistics(path, 'snmp6')])
  return parseChecksumDrops(v4, v6)
}

/** @param v4 a line of names and one of values a protocol @param v6 a line of name and value a counter */
export function parseChecksumDrops(v4: string, v6: string): number {
  const [names = [], values = []] = v4.split('\n').flatMap((line) => (line.startsWith('Udp: ') ? [line.split(' ')] : []))
  const of4 = Number(values[names.indexOf('InCsumErrors')] ?? 0)
  return of4 + Number(/^Udp6InCsumErrors\s+(\d+)/m.exec(v6)?.[1] ?? 0)
}

/** Packets that the kernel dropped at a link. */
export interface LinkDrops {
  /** From the link: at a TUN device, what its owner wrote and the kernel did not take. */
  readonly received: number
  /** To the link: at a TUN device, what its owner did not read in time. */
  readonly sent: number
}

/**
 * Drops and errors at the links of a namespace since they were made, by name.
 *
 * @throws LinuxError `ENOENT` for a namespace that is not there, `EPERM` when it may not be entered
 */
export async function linkDrops(namespace?: NamespaceReference): Promise<ReadonlyMap<string, LinkDrops>> {
  return parseLinkDrops(await statistics(namespacePath(namespace), 'dev'))
}

/** @param text two lines of titles, then `name: octets packets errors drops fifo frame compressed multicast` and the same for what was sent */
export function parseLinkDrops(text: string): Map<string, LinkDrops> {
  const drops = new Map<string, LinkDrops>()
  for (const line of text.split('\n').slice(2)) {
    const [name = '', values = ''] = line.split(':')
    const columns = values.trim().split(/\s+/).map(Number)
    if (columns.length < 16) continue
    drops.set(name.trim(), { received: columns[2] + columns[3], sent: columns[10] + columns[11] })
  }
  return drops
}

/** Empty when the kernel has no such file: it was built without the protocol. */
async function statistics(path: string | undefined, file: string): Promise<string> {
  try {
    return await callAsync((native) => native.namespaceStatistics(path, file))
  } catch (error) {
    if (error instanceof LinuxError && error.code === 'ENOENT' && error.message.includes('/proc/')) return ''
    throw error
  }
}
