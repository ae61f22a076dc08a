import { BfdSessions, newBfdSession, pathKey, type SavedBfdSession, type WatchedPath } from '@heddle/bfd'
import type { LivenessObject } from '@heddle/core'
import { LinuxError, type BfdSockets, type Poller } from '@heddle/linux'
import { randomInt } from 'node:crypto'
import type { ConfigView } from '../tables/config.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { decodeLiveness, decodeWatch, encodeLiveness, type Outcome } from './encoding.js'

/** What a keeper of BFD sessions works with; not the keeper's to close. */
export interface KeeperOptions {
  /** `watches` and `liveness` at least. */
  readonly maps: KernelMaps
  readonly config: ConfigView
  readonly sockets: BfdSockets
  readonly poller: Poller
  /** Whether another keeper has the rows by now, of which this one writes none any more. */
  readonly isSucceeded: () => boolean
}

/**
 * Keeps up the sessions that the map `watches` asks for, and writes what becomes of them to the map `liveness`, which the programs read: a path that is
 * not heard is left by the next packet, whether the process that made the tables lives or not. What another keeper wrote there goes on.
 */
export class LivenessKeeper {
  readonly #options: KeeperOptions
  readonly #sessions: BfdSessions
  readonly #outcomes = new Map<number, Outcome>()
  /** Keys of paths whose packets leave and come in by the uplink. */
  readonly #ofUplink = new Set<string>()
  /** Sessions whose rows the kernel refused, for want of memory as a rule: programs go on by what the rows said before. */
  readonly #unwritten = new Set<number>()
  #seen: number | undefined
  /** Paths that are down by their rows, and whether decisions may have been made by others. */
  readonly #downByRows = new Set<number>()
  #isDecidedByOthers = true

  constructor(options: KeeperOptions) {
    this.#options = options
    const { sockets, poller } = options
    this.#sessions = new BfdSessions({
      clock: { setTimer },
      random: { uint32: () => randomInt(0, 0x1_0000_0000) },
      send: (path, packet) => (this.#ofUplink.has(pathKey(path)) ? sockets.sendByUplink(path, packet) : sockets.send(path, packet)),
      changed: ({ id }, known) => {
        const { downs } = this.#outcomes.get(id) ?? NOTHING_YET
        this.#outcomes.set(id, { known, downs: known === 'down' ? downs + 1 : downs })
        sockets.expect()
      },
      stepped: (saved) => this.#write(saved),
    })
    sockets.serve(
      poller,
      (...packet) => this.#sessions.receive(...packet),
      (local, remote, hops) => this.#ofUplink.has(pathKey({ local, remote, hops })),
      () => this.#sessions.list(),
    )
  }

  /** Brings the sessions to what the map asks for, if that has changed, and writes again what could not be written. @throws LinuxError */
  follow(): void {
    const version = this.#options.config.get('watch_version')
    if (version !== this.#seen) this.#bringTo(version)
    if (this.#unwritten.size === 0) return
    for (const session of this.#sessions.save()) if (this.#unwritten.has(session.id)) this.#write(session)
  }

  #bringTo(version: number): void {
    const { maps } = this.#options
    // Who sets the tables takes rows away, and flows may be decided without them before they are written again.
    this.#isDecidedByOthers = true
    const isFirst = this.#seen === undefined
    const wanted = new Map<number, LivenessObject>()
    for (const [id, value] of maps.numbered('watches')) wanted.set(id, decodeWatch(id, value))
    const written = new Map(maps.numbered('liveness'))
    this.#forgetOthers(wanted, written.keys())
    this.#ofUplink.clear()
    for (const path of wanted.values()) if (path.vouchesFor === 'tunnels') this.#ofUplink.add(pathKey(path))
    const saved: SavedBfdSession[] = []
    for (const [id, value] of isFirst ? written : []) {
      if (!wanted.has(id)) continue
      const { known, downs, saved: before } = decodeLiveness(id, value)
      // While nobody kept it, it was not known whether it still is: that comes out now.
      this.#outcomes.set(id, { known: before.session.state === 'up' ? 'up' : known, downs })
      this.#hasRow(id, known === 'down')
      saved.push(before)
    }
    this.#sessions.resume(wanted.values(), saved)
    this.#options.sockets.expect()
    // One that was removed and set again within a look goes on, without its row.
    for (const session of this.#sessions.save()) if (!written.has(session.id)) this.#write(session)
    // What the kernel refused before this is done by the next call.
    this.#seen = version
    this.#tell()
  }

  /** Ends the sessions. @param quietly somebody else goes on with them */
  close(quietly: boolean): void {
    if (quietly) this.#sessions.close()
    else this.#leave()
    this.#options.sockets.pause()
  }

  /**
   * Tells the far ends that nothing happened to the paths, and leaves rows by which the next keeper begins anew: a session that is ended, and then goes on as
   * if it were up, is one that went down to either end. What is down stays so until somebody hears of it.
   */
  #leave(): void {
    for (const { id, discriminator } of this.#sessions.save()) {
      const { known, downs } = this.#outcomes.get(id) ?? NOTHING_YET
      this.#outcomes.set(id, { known: known === 'up' ? undefined : known, downs })
      this.#write({ id, discriminator, session: newBfdSession() })
    }
    this.#sessions.leave()
  }

  /**
   * Ends what is of no path any more, or of another one, of which all that is known says nothing. By the sessions, and not by the map alone: their rows may
   * have gone before. All before the first begins anew: two may change places.
   */
  #forgetOthers(wanted: ReadonlyMap<number, WatchedPath>, written: Iterable<number>): void {
    for (const { path } of this.#sessions.list()) {
      const next = wanted.get(path.id)
      if (next === undefined || pathKey(next) !== pathKey(path)) this.#forget(path.id)
    }
    for (const id of written) if (!wanted.has(id)) this.#forget(id)
  }

  #forget(id: number): void {
    this.#sessions.remove(id)
    this.#outcomes.delete(id)
    this.#unwritten.delete(id)
    this.#options.maps.delete('liveness', id)
    this.#hasRow(id, false)
  }

  /** Is called by timers and packets, where nobody would catch a refusal. */
  #write(saved: SavedBfdSession): void {
    if (this.#options.isSucceeded()) return
    try {
      this.#options.maps.set('liveness', saved.id, encodeLiveness(saved, this.#outcomes.get(saved.id) ?? NOTHING_YET))
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      this.#unwritten.add(saved.id)
      return
    }
    this.#unwritten.delete(saved.id)
    this.#hasRow(saved.id, this.#outcomes.get(saved.id)?.known === 'down')
    this.#tell()
  }

  /** @param isDown by the row, which is what programs go by */
  #hasRow(id: number, isDown: boolean): void {
    if (this.#downByRows.has(id) === isDown) return
    if (isDown) this.#downByRows.add(id)
    else this.#downByRows.delete(id)
    this.#isDecidedByOthers = true
  }

  /** Programs look for what is down only while there is some; the process of the tables looks when the version is another one. */
  #tell(): void {
    const { maps, config } = this.#options
    const down = [...this.#outcomes.values()].filter(({ known }) => known === 'down')
    // A row that the kernel refused is looked at, or not, by whether another path is down.
    if (config.get('down') !== down.length) this.#isDecidedByOthers = true
    config.set('down', down.length)
    // Whoever sends to a session that is down makes steps of it, as often as they like: those change no decision.
    if (this.#isDecidedByOthers) maps.forgetDecisions()
    this.#isDecidedByOthers = false
    config.set('liveness_version', (config.get('liveness_version') + 1) >>> 0)
  }
}

const NOTHING_YET: Outcome = { known: undefined, downs: 0 }

function setTimer(delay: number, fire: () => void): { cancel: () => void } {
  const timer = setTimeout(fire, delay)
  return { cancel: () => clearTimeout(timer) }
}
