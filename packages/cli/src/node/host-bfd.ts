import { BfdWatcher, type BfdPort } from '@heddle/bfd'
import type { BfdView } from '@heddle/agent'
import type { Clock, Logger, Random } from '@heddle/io'
import type { BfdSockets, NamespaceReference, Poller } from '@heddle/linux'
import { IpAddress } from '@heddle/wire'

interface Opened {
  readonly sockets: BfdSockets
  readonly poller: Poller
}

/** Sockets and routes of this host, opened when the first path is watched: a speaker without BFD needs no native part. */
class HostPort implements BfdPort {
  readonly devices = true
  #receive: Parameters<BfdPort['serve']>[0] = () => undefined
  #opening: Promise<Opened> | undefined
  #opened: Opened | undefined
  #closed = false

  constructor(private readonly namespace: NamespaceReference | undefined) {}

  async wayTo(remote: IpAddress, device?: string): Promise<{ readonly local: IpAddress; readonly isOnLink: boolean }> {
    return wayTo(remote, device, this.namespace)
  }

  async add(local: IpAddress, device?: string): Promise<void> {
    this.#opening ??= this.#open()
    const { sockets } = await this.#opening
    await sockets.add(local, device)
  }

  send(...packet: Parameters<BfdPort['send']>): void {
    this.#opened?.sockets.send(...packet)
  }

  serve(receive: Parameters<BfdPort['serve']>[0]): void {
    this.#receive = receive
  }

  close(): void {
    this.#closed = true
    this.#opened?.sockets.close()
    this.#opened?.poller.close()
  }

  async #open(): Promise<Opened> {
    const { BfdSockets, Poller } = await import('@heddle/linux')
    const opened = { sockets: new BfdSockets(this.namespace), poller: Poller.open() }
    opened.sockets.serve(opened.poller, (...packet) => this.#receive(...packet))
    this.#opened = opened
    if (this.#closed) this.close()
    return opened
  }
}

/**
 * BFD with peers by sockets of this process, for a speaker that forwards nothing. Needs the native part of `@heddle/linux`.
 *
 * @param namespace the process's own when left out
 */
export function hostBfd(
  world: { readonly clock: Clock; readonly random: Random; readonly logger: Logger },
  namespace?: NamespaceReference,
): BfdView & { close(): void } {
  const watcher = new BfdWatcher({ ...world, port: new HostPort(namespace) })
  return {
    devices: watcher.devices,
    watch: (path, changed) => watcher.watch(path, changed),
    rows: () =>
      watcher.list().map(({ path, told, since, reason, detectionTime }) => ({
        local: String(path.local),
        remote: path.device === undefined ? String(path.remote) : `${path.remote}%${path.device}`,
        hops: path.hops,
        state: told ?? 'unknown',
        since: since === undefined ? null : (world.clock.now() - since) / 1000,
        reason: reason ?? null,
        interval: path.desiredMinTx / 1000,
        detection: (detectionTime === 0 ? path.requiredMinRx * path.multiplier : detectionTime) / 1000,
        users: ['bgp'],
      })),
    close: () => watcher.close(),
  }
}

/** Whether an address is on a link of this host. Rejects while there is no way there. */
export async function isOnLink(remote: IpAddress): Promise<boolean> {
  return (await wayTo(remote)).isOnLink
}

async function wayTo(
  remote: IpAddress,
  device?: string,
  namespace?: NamespaceReference,
): Promise<{ readonly local: IpAddress; readonly isOnLink: boolean }> {
  const { Netlink } = await import('@heddle/linux')
  using netlink = await Netlink.open(namespace)
  const { kind, gateway, source } = await netlink.routes.lookup(String(remote), device === undefined ? {} : { link: device })
  if (kind !== 'unicast' || source === undefined) throw new NoWayError(remote)
  return { local: IpAddress.parse(source), isOnLink: gateway === undefined }
}

class NoWayError extends Error {
  override readonly name = 'NoWayError'

  constructor(remote: IpAddress) {
    super(`no way leads to ${remote}`)
  }
}
