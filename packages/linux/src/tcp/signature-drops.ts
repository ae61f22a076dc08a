import type { SignatureDrops } from '@heddle/io'
import { callAsync } from '../native/call.js'

/** Counters of the group `TcpExt` (`/proc/net/netstat`) for each kind of drop: those of TCP MD5, and of TCP-AO (Linux 6.7). */
const COUNTERS: Readonly<Record<keyof SignatureDrops, readonly string[]>> = {
  unsigned: ['TCPMD5NotFound', 'TCPAORequired'],
  unexpected: ['TCPMD5Unexpected', 'TCPAOKeyNotFound'],
  wrong: ['TCPMD5Failure', 'TCPAOBad'],
}

/** Reads them of a namespace. @throws LinuxError `ENOENT` for a namespace that is not there */
export async function signatureDrops(namespace: string | undefined): Promise<SignatureDrops> {
  return parseSignatureDrops(await callAsync((native) => native.namespaceStatistics(namespace, 'netstat')))
}

/** Counters that the kernel does not have count nothing. @param text of `/proc/net/netstat`: a line of names and one of values for each group */
export function parseSignatureDrops(text: string): SignatureDrops {
  const [names = [], values = []] = text.split('\n').flatMap((line) => (line.startsWith('TcpExt: ') ? [line.split(' ')] : []))
  const valueOf = (name: string): number => Number(values[names.indexOf(name)] ?? 0)
  const sum = (kind: keyof SignatureDrops): number => COUNTERS[kind].reduce((total, name) => total + valueOf(name), 0)
  return { unsigned: sum('unsigned'), unexpected: sum('unexpected'), wrong: sum('wrong') }
}
