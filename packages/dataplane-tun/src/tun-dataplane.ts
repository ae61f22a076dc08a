import { DataplaneError, type Dataplane } from '@heddle/core'
import { silentLogger, type Logger, type LogLevel } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import { isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TunForwarder } from './forwarder/tun-forwarder.js'
import { configurationText } from './process/configuration.js'
import { laneBeside } from './process/lane-script.js'
import { checkPrivileges } from './privileges.js'
import { connectOrStart } from './process/start.js'

const MOST_WORKERS = 64

/** A userspace dataplane. `await using` closes it, and with it what it made. */
export interface TunDataplane extends Dataplane, AsyncDisposable {}

/** Where a TUN dataplane stands, and where its forwarder runs. */
export interface TunDataplaneOptions {
  /** Underlay addresses of this router, at least one: those that tunnels of its tables have as `local`. Links must have them already. */
  readonly addresses: readonly IpAddress[]
  /**
   * Forwards in this process, for tests and library use: nothing survives it. Left out: a forwarder process of its own does, which goes on when
   * this process dies and is found again by `stateDir`.
   */
  readonly inProcess?: boolean
  /**
   * Directory for the forwarder's socket and log, one a node, absolute and short enough for a unix socket in it (at most 81 octets). Needed
   * unless `inProcess`.
   */
  readonly stateDir?: string
  /** Path of the network namespace that the underlay is in; the process's own when left out. */
  readonly underlayNetns?: string
  /** Source ports per address that carry flow entropy (RFC 7510 §3): 1–256, a power of two; 16 when left out. */
  readonly entropyPorts?: number
  /**
   * Threads that forward, 0–64: half of them read the endpoints' devices, half the underlay. 1 reads both, which takes a quarter less processor
   * time for the same traffic and has no more than one processor. 0 forwards on the thread that does everything else. Left out: 2 in a forwarder
   * process, 0 with `inProcess`.
   */
  readonly workers?: number
  /** How long a forwarder may take to serve, milliseconds; 10,000 when left out. */
  readonly startTimeout?: number
  /**
   * Has the forwarder process succeeded by a new one, which takes its tables, flows, counters, devices and sockets: no packet is lost. Without it, that happens
   * when the running one is of another version of this package, or of other options but for its underlay.
   */
  readonly upgrade?: boolean
  /** How much the forwarder process writes to its log; `info` when left out. */
  readonly forwarderLogLevel?: LogLevel
  /**
   * Script of the forwarder process and options of Node.js for it; the package's own when left out. For running from sources. The script of its
   * threads, `lane-main`, is beside it.
   */
  readonly forwarder?: { readonly script: string; readonly execArgv?: readonly string[] }
  readonly logger?: Logger
}

/**
 * A dataplane in userspace: each port is a TUN device, or a TAP device where it has a link, inside its endpoint's namespace, and tunnels go by UDP and raw sockets of the underlay,
 * whose next hop the kernel's routes decide.
 *
 * Needs Linux with `/dev/net/tun`, CAP_NET_ADMIN and CAP_SYS_ADMIN (to enter namespaces), CAP_NET_RAW for GRE, and the native part of
 * `@heddle/linux`.
 *
 * @throws DataplaneError `dataplane.device` when an underlay address, a port or the native part cannot be had or an option is out of range;
 * `dataplane.permission`; `dataplane.busy` when the forwarder of `stateDir` is controlled by another process; `dataplane.lost` when a forwarder
 * started and did not serve in time
 */
export async function tunDataplane(options: TunDataplaneOptions): Promise<TunDataplane> {
  const { addresses, inProcess = false, stateDir, underlayNetns, entropyPorts = 16, logger = silentLogger } = options
  if (addresses.length === 0) throw refused('no underlay address', 'at least one is needed')
  if (!Number.isInteger(Math.log2(entropyPorts)) || entropyPorts > 256) {
    throw refused(`${entropyPorts} entropy ports`, 'a power of two of at most 256 is needed')
  }
  if (process.platform === 'linux') checkPrivileges()
  const { forwarder, workers = inProcess ? 0 : 2 } = options
  if (!Number.isInteger(workers) || workers < 0 || workers > MOST_WORKERS) {
    throw refused(`${workers} workers`, `0–${MOST_WORKERS} are needed`)
  }
  const script = forwarder?.script ?? fileURLToPath(new URL('./forwarder-main.js', import.meta.url))
  const execArgv = forwarder?.execArgv ?? []
  if (inProcess) {
    return TunForwarder.open({ addresses, underlayNetns, entropyPorts, workers, lane: { script: laneBeside(script), execArgv }, logger })
  }
  if (stateDir === undefined || !isAbsolute(stateDir)) throw refused(`stateDir ${stateDir}`, 'an absolute path is needed unless inProcess')
  const { startTimeout = 10_000, forwarderLogLevel = 'info' } = options
  return connectOrStart({
    directory: stateDir,
    configuration: configurationText({ directory: stateDir, addresses, underlayNetns, entropyPorts, workers, logLevel: forwarderLogLevel }),
    script,
    execArgv,
    timeout: startTimeout,
    upgrade: options.upgrade ?? false,
    logger,
  })
}

function refused(found: string, needed: string): DataplaneError {
  return new DataplaneError('dataplane.device', `${found}: ${needed}`)
}
