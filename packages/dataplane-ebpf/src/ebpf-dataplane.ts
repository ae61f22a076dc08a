import { DataplaneError, type Dataplane, type Encapsulation, type InspectableDataplane } from '@heddle/core'
import { silentLogger, type Logger } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import { isAbsolute } from 'node:path'
import type { EbpfDeviceKind } from './device/device-pair.js'
import type { EbpfXdp } from './device/xdp.js'
import type { EbpfInspection } from './inspection.js'
import { openRouter } from './open.js'
import { checkPrivileges } from './privileges.js'
import { chooseMeans, EBPF_FEATURE_NAMES, missingEbpfFeatures, missingNetkit, type EbpfChoice, type EbpfFeatureName } from './probe.js'
import { capacityOf } from './tables/map-sizes.js'

/** A kernel dataplane. `await using` closes it, and with it what it made. */
export interface EbpfDataplane extends Dataplane, InspectableDataplane, AsyncDisposable {
  /** How it does what kernels differ in. */
  readonly choice: EbpfChoice
  /** What it has in the kernel: programs and maps. @throws DataplaneError `dataplane.closed`, `dataplane.lost` */
  inspect(): EbpfInspection
}

/** Where an eBPF dataplane stands. */
export interface EbpfDataplaneOptions {
  /** Underlay addresses of this router, at least one: those that tunnels of its tables have as `local`. Links must have them already. */
  readonly addresses: readonly IpAddress[]
  /** Link that the underlay is on: packets to `addresses` come in by it, and tunnels go out by it. */
  readonly uplink: string
  /** Path of the network namespace that the uplink is in; the process's own when left out. */
  readonly underlayNetns?: string
  /** Encapsulations to carry; `mpls-udp`, `mpls-udp-joint`, `mpls-gre` and `vxlan` when left out. One that is left out leaves its packets to the host. */
  readonly encapsulations?: readonly Encapsulation[]
  /**
   * Directory for pins, one a node, absolute: with it, forwarding goes on behind `close({ keep: true })` and behind the process, and the next dataplane
   * takes it over. Unless it lies on a BPF file system, one is mounted there, and taken away by `close()`. One that ends with the mount namespace of the process is
   * warned of, and `capabilities.survivesClose` is false then.
   */
  readonly pinDirectory?: string
  /**
   * Memory of the FIB in blocks of 1 KiB, committed at once; a quarter of `routes` when left out, at least 65,536. How many routes need is in the README: some
   * 0.01 each where they are hosts in a row, 8 where each is an IPv6 host alone in its part of a /64.
   */
  readonly fibBlocks?: number
  /**
   * Most routes, each 32 octets that are committed at once; 262,144 when left out. Tables that are taken over stay as large as they are, whatever this and the
   * other sizes say: they end by `close()` without `keep`.
   */
  readonly routes?: number
  /** Most flows that policies remember, and as many for services and pools: some 680 octets each that are committed at once; 65,536 when left out. */
  readonly flows?: number
  /** Most ports; 16,384 when left out. Each costs some 260 octets and 80 a CPU from the start, and 7 KiB when it is there and has a device. */
  readonly ports?: number
  /**
   * What the devices of new endpoints are: pairs of `netkit` (Linux 6.7), which give programs what an endpoint sends as it leaves it, past a queue, and send nothing
   * on while there is no program; or of `veth`. When left out, netkit where the kernel has it. Devices that are there stay what they are.
   */
  readonly devices?: EbpfDeviceKind
  /**
   * Whether what comes out of one tunnel and goes into another is sent on by XDP in the uplink's driver: `native` wherever the driver can and leaves tags of
   * VLANs in frames, `off` never. When left out, where labels are swapped and it does no harm: not on a veth, and only where the host forwards. By tc otherwise,
   * which does the same.
   */
  readonly xdp?: EbpfXdp
  /** Features of the kernel to do without although it may have them: by the others that take their place (`ebpfFeatures`). */
  readonly without?: readonly EbpfFeatureName[]
  /** Script of the process that keeps BFD sessions, and options of Node.js for it; the package's own when left out. For running from sources. */
  readonly keeper?: { readonly script: string; readonly execArgv: readonly string[] }
  readonly logger?: Logger
}

const OFFERED: readonly Encapsulation[] = ['mpls-udp', 'mpls-udp-joint', 'mpls-gre', 'vxlan']

/**
 * A dataplane in the kernel: BPF programs at the router's end of each endpoint's pair of devices (veth or netkit) and on the uplink forward packets, reading the
 * FIB in the memory that this process writes.
 *
 * Needs Linux 6.1 (`ebpfFeatures` tells what is missing), CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON, the native part of this package and that of `@heddle/linux`;
 * CAP_SYS_ADMIN only to enter the network namespaces of endpoints, or of the uplink, and to mount a BPF file system where none is.
 *
 * It is lost when the uplink is: `events` end, and what is asked of it is answered with `dataplane.lost`. What is pinned stays for the next one, which can be opened
 * once there is a link of that name again; without pins nothing stays. `close()` of one that was lost takes away what no other has taken over.
 *
 * @throws DataplaneError `dataplane.device` when the kernel lacks a feature, refuses a program or has no such uplink, or an option is out of range;
 * `dataplane.permission`; `dataplane.busy` when another dataplane has the uplink, or the directory of pins
 */
export async function ebpfDataplane(options: EbpfDataplaneOptions): Promise<EbpfDataplane> {
  const { addresses, uplink, underlayNetns, pinDirectory, encapsulations = OFFERED, logger = silentLogger, without = [], keeper } = options
  const { devices, xdp } = options
  const asked = { fibBlocks: options.fibBlocks, routes: options.routes, flows: options.flows, ports: options.ports }
  const { fibBlocks, routes, flows, ports } = capacityOf(asked)
  if (addresses.length === 0) throw refused('no underlay address', 'at least one is needed')
  if (pinDirectory !== undefined && !isAbsolute(pinDirectory)) throw refused(`pinDirectory ${pinDirectory}`, 'an absolute path is needed')
  const unknown = encapsulations.find((encapsulation) => !OFFERED.includes(encapsulation))
  if (unknown !== undefined) throw refused(`encapsulation ${unknown}`, `one of ${OFFERED.join(', ')} is needed`)
  if (!isCount(fibBlocks, 1024)) throw refused(`${fibBlocks} blocks`, 'a number of 1,024 to 4,194,304 is needed')
  if (!isCount(routes, 1)) throw refused(`${routes} routes`, 'a number of 1 to 4,194,304 is needed')
  if (!isCount(flows, 1024)) throw refused(`${flows} flows`, 'a number of 1,024 to 4,194,304 is needed')
  if (!isCount(ports, 1)) throw refused(`${ports} ports`, 'a number of 1 to 4,194,304 is needed')
  const strange = without.find((name) => !EBPF_FEATURE_NAMES.includes(name))
  if (strange !== undefined) throw refused(`without ${strange}`, `one of ${EBPF_FEATURE_NAMES.join(', ')} is needed`)
  if (process.platform === 'linux') checkPrivileges()
  const missing = missingEbpfFeatures(without)
  if (missing !== '') throw refused('this kernel', `lacks ${missing}`)
  const lack = devices === 'netkit' ? missingNetkit(without) : ''
  if (lack !== '') throw refused('devices of netkit', `this kernel lacks ${lack}`)
  const choice = chooseMeans(devices, without)
  return openRouter({
    choice,
    addresses,
    uplink,
    underlayNetns,
    encapsulations,
    pinDirectory,
    asked,
    keeper,
    xdp,
    without,
    logger,
  })
}

function isCount(value: number, least: number): boolean {
  return Number.isInteger(value) && value >= least && value <= 4_194_304
}

function refused(found: string, needed: string): DataplaneError {
  return new DataplaneError('dataplane.device', `${found}: ${needed}`)
}
