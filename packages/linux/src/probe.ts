import { LinuxError } from './linux-error.js'
import { nativeAvailability } from './native/availability.js'
import { call } from './native/call.js'

/** What can be probed. */
export type FeatureName =
  /** `/dev/net/tun` can be opened. */
  | 'tun'
  /** CAP_NET_ADMIN: links, addresses, routes, TUN devices. */
  | 'net-admin'
  /** CAP_NET_RAW: raw and packet sockets. */
  | 'net-raw'
  /** CAP_SYS_ADMIN: making and entering network namespaces. */
  | 'sys-admin'
  /** UDP segmentation offload when sending (Linux 4.18). */
  | 'udp-segment'
  /** UDP segmentation offload when receiving (Linux 5.0). */
  | 'udp-gro'
  /** MPLS forwarding in the kernel. */
  | 'mpls'
  | 'ipv6'
  /** TCP MD5 signatures (RFC 2385). */
  | 'tcp-md5'
  /** TCP-AO (RFC 5925, Linux 6.7). */
  | 'tcp-ao'
  /** Raw GRE sockets. */
  | 'raw-gre'
  /** Packet sockets. */
  | 'packet'

/** Whether a feature is there, and if not, why. */
export type Feature = { readonly available: true } | { readonly available: false; readonly reason: string }

/** What this host and this process can do. */
export interface Probe {
  /** Release of the running kernel, e.g. `6.12.9-amd64`; empty without the native part. */
  readonly kernel: string
  readonly features: Readonly<Record<FeatureName, Feature>>
}

const NAMES: readonly FeatureName[] = [
  'tun',
  'net-admin',
  'net-raw',
  'sys-admin',
  'udp-segment',
  'udp-gro',
  'mpls',
  'ipv6',
  'tcp-md5',
  'tcp-ao',
  'raw-gre',
  'packet',
]

/** Finds out by trying, changing nothing. Never throws: without the native part every feature is missing for that reason. */
export function probe(): Probe {
  const availability = nativeAvailability()
  const reasons = new Map<string, string>()
  if (availability.available) for (const { name, reason } of call((native) => native.probeFeatures())) reasons.set(name, reason)
  const missing = availability.available ? 'not known to the native part' : availability.reason
  const features = NAMES.map((name): [FeatureName, Feature] => {
    const reason = reasons.get(name) ?? missing
    return [name, reason === '' ? { available: true } : { available: false, reason }]
  })
  return {
    kernel: availability.available ? call((native) => native.kernelRelease()) : '',
    features: Object.fromEntries(features) as Record<FeatureName, Feature>,
  }
}

/**
 * Asserts features.
 *
 * @throws LinuxError `EOPNOTSUPP` naming each that is missing and why
 */
export function requireFeatures(...names: readonly FeatureName[]): void {
  const { features } = probe()
  const missing = names.flatMap((name) => {
    const feature = features[name]
    return feature.available ? [] : [`${name}: ${feature.reason}`]
  })
  if (missing.length > 0) throw new LinuxError('EOPNOTSUPP', 95, `use ${names.join(', ')}`, missing.join('; '))
}

/** Name of an error number, e.g. of a descriptor's `status`: `EAGAIN`, `EMSGSIZE`…; `EUNKNOWN` for one without a name. */
export function errnoName(errno: number): string {
  return call((native) => native.errnoName(errno))
}
