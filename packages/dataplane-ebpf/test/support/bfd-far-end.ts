import { BfdSessions, type WatchedPath } from '@heddle/bfd'
import { BfdSockets, Poller } from '@heddle/linux'
import type { IpAddress } from '@heddle/wire'
import { randomInt } from 'node:crypto'

/** BFD of another router, in a namespace of its own. */
export class BfdFarEnd implements Disposable {
  /** What it found out of all paths. */
  readonly told: string[] = []
  readonly sessions: BfdSessions

  private constructor(
    private readonly sockets: BfdSockets,
    private readonly poller: Poller,
  ) {
    this.sessions = new BfdSessions({
      clock: { setTimer: (delay, fire) => ({ cancel: clearTimeout.bind(undefined, setTimeout(fire, delay)) }) },
      random: { uint32: () => randomInt(0, 0x1_0000_0000) },
      send: (path, packet) => sockets.send(path, packet),
      changed: (_, state) => this.told.push(state),
    })
    sockets.serve(poller, (...packet) => this.sessions.receive(...packet))
  }

  static async open(addresses: readonly IpAddress[], netns: string): Promise<BfdFarEnd> {
    return new BfdFarEnd(await BfdSockets.open(addresses, netns), Poller.open())
  }

  /** Watches a path from its other end. */
  watch({ local, remote, ...path }: WatchedPath, multiplier = path.multiplier): void {
    this.sessions.set({ ...path, multiplier, local: remote, remote: local })
  }

  close(): void {
    this.sessions.close()
    this.sockets.close()
    this.poller.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
