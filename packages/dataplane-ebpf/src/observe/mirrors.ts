import type { ApplyFailure, DataplaneEvent, MirrorDirection, MirrorObject, ObjectChanges } from '@heddle/core'
import type { Logger } from '@heddle/io'
import { View } from '../layout/struct.js'
import { COPIED, OBSERVED_KEY } from '../layout/structs/observe.js'
import { attemptFor, attemptsInto, failureOf, idOf, removedIn } from '../tables/changes.js'
import { observe, type ConfigView } from '../tables/config.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { wordBytes } from '../layout/word.js'
import { Collectors } from './collectors.js'
import { timeOf } from './epoch.js'
import { decodeMirror, encodeMirror } from './mirror-text.js'
import { RingReader } from './ring-reader.js'

/** All of a packet. */
const EVERYTHING = 65_535
const DIRECTIONS = ['egress', 'ingress'] as const satisfies readonly MirrorDirection[]

export interface MirrorsOptions {
  readonly maps: KernelMaps
  readonly config: ConfigView
  readonly underlayNetns: string | undefined
  /** VRF device that the uplink is in. */
  readonly vrf: string | undefined
  readonly event: (event: DataplaneEvent) => void
  readonly logger: Logger
}

/** Mirrors of ports and of policy rules: programs copy packets into a ring, and this object hands the copies to streams and collectors. */
export class Mirrors {
  readonly #options: MirrorsOptions
  readonly #collectors: Collectors
  readonly #mirrors = new Map<number, MirrorObject>()
  /** Mirrors of a port and direction. */
  readonly #byPort = new Map<string, MirrorObject[]>()
  readonly #sequences = new Map<number, number>()
  readonly #ring: RingReader

  private constructor(options: MirrorsOptions) {
    this.#options = options
    this.#collectors = new Collectors(options.underlayNetns, options.vrf)
    this.#ring = new RingReader(options.maps, 'copies', (record, epoch) => this.#handOut(record, epoch))
  }

  /** Takes over the mirrors of a dataplane before this one. A collector that cannot be reached keeps nobody from taking over the rest. @throws LinuxError */
  static async open(options: MirrorsOptions): Promise<Mirrors> {
    const mirrors = new Mirrors(options)
    try {
      for (const [id, value] of options.maps.numbered('mirrors')) mirrors.#mirrors.set(id, decodeMirror(id, value))
      for (const { id, sink } of mirrors.#mirrors.values()) {
        const reason = sink.type === 'erspan' ? await mirrors.#collectors.openSometime(sink) : undefined
        if (reason !== undefined) options.logger.warn('A collector gets no copies yet', { mirror: id, reason })
      }
      if (mirrors.#mirrors.size > 0) mirrors.#ring.open()
      mirrors.#derive((work) => work())
      return mirrors
    } catch (error) {
      mirrors.close()
      throw error
    }
  }

  /** Makes a change that was found valid; returns what the kernel refused. Copies of before it are handed out first. */
  async program({ set, remove }: ObjectChanges<MirrorObject>): Promise<ApplyFailure[]> {
    const failures: ApplyFailure[] = []
    const attemptAll = attemptFor(failures, 'mirror', [...set.map(idOf), ...remove])
    // What has lain there since nobody read is handed to nobody, whatever port the first mirror is of. Where nobody can read, nothing is copied.
    const isRead = set.length === 0 || attemptFor(failures, 'mirror', set.map(idOf))(() => this.#ring.open())
    this.#ring.drain()
    for (const mirror of isRead ? set : []) {
      try {
        if (mirror.sink.type === 'erspan') await this.#collectors.open(mirror.sink)
        this.#options.maps.set('mirrors', mirror.id, encodeMirror(mirror))
        this.#mirrors.set(mirror.id, mirror)
      } catch (error) {
        failures.push(failureOf('mirror', String(mirror.id), error))
      }
    }
    const attempt = attemptsInto(failures)
    for (const id of removedIn({ set, remove }, idOf)) {
      attempt('mirror', id, () => {
        this.#options.maps.delete('mirrors', id)
        this.#mirrors.delete(id)
        this.#sequences.delete(id)
      })
    }
    this.#collectors.keep(this.#sinks())
    this.#derive(attemptAll)
    if (this.#mirrors.size === 0) this.#ring.close()
    return failures
  }

  /** What the kernel holds. */
  dump(): MirrorObject[] {
    return Array.from(this.#options.maps.numbered('mirrors'), ([id, value]) => decodeMirror(id, value))
  }

  close(): void {
    this.#ring.close()
    this.#collectors.close()
  }

  #sinks(): Parameters<Collectors['keep']>[0] {
    return [...this.#mirrors.values()].flatMap(({ sink }) => (sink.type === 'erspan' ? [sink] : []))
  }

  /** Tells programs which ports to copy, and how much; which rules name a mirror, their policies tell. @param attempt of each step, which may be refused */
  #derive(attempt: (work: () => void) => unknown): void {
    const { maps, config } = this.#options
    this.#byPort.clear()
    const wanted = new Map<string, { readonly key: Uint8Array; snap: number }>()
    for (const mirror of this.#mirrors.values()) {
      for (const { port, direction } of mirror.ports) {
        for (const one of direction === 'both' ? DIRECTIONS : [direction]) {
          const name = `${port} ${one}`
          const others = this.#byPort.get(name) ?? []
          if (!others.includes(mirror)) this.#byPort.set(name, [...others, mirror])
          const key = new View(OBSERVED_KEY).set('port', port).set('direction', DIRECTIONS.indexOf(one)).bytes
          const entry = wanted.get(key.join()) ?? { key, snap: 0 }
          entry.snap = Math.max(entry.snap, mirror.snapLength ?? EVERYTHING)
          wanted.set(key.join(), entry)
        }
      }
    }
    attempt(() => {
      for (const [key] of maps.entries('observed')) if (!wanted.has(key.join())) maps.delete('observed', key)
    })
    for (const { key, snap } of wanted.values()) attempt(() => maps.set('observed', key, wordBytes(snap)))
    attempt(() => {
      for (const [id] of maps.numbered('snap_lengths')) if (!this.#mirrors.has(id)) maps.delete('snap_lengths', id)
    })
    for (const { id, snapLength = EVERYTHING } of this.#mirrors.values()) attempt(() => maps.set('snap_lengths', id, wordBytes(snapLength)))
    observe(config, 'ports', wanted.size > 0)
    maps.forgetDecisions()
  }

  #handOut(record: Uint8Array, epoch: number): void {
    const head = new View(COPIED, record.subarray(0, COPIED.size))
    const port = head.get('port')
    const direction = DIRECTIONS[head.get('direction')]
    const length = head.get('length')
    const octets = record.subarray(COPIED.size, COPIED.size + head.get('kept'))
    const time = timeOf(head.getLarge('time'), epoch)
    for (const { id, sink, snapLength = EVERYTHING } of this.#gets(head.get('mirror'), port, direction)) {
      const sequence = this.#sequences.get(id) ?? 0
      this.#sequences.set(id, sequence + 1)
      const packet = octets.slice(0, snapLength)
      if (sink.type === 'stream') this.#options.event({ type: 'mirrored', mirror: id, port, direction, sequence, time, length, packet })
      else this.#collectors.send({ sink, port, direction, sequence, packet }, this.#options.config.get('underlay_mtu'))
    }
  }

  /** Who gets a copy: the mirrors of the port, or the one that a rule named, unless it is one of those. @param named its id plus one; 0: none */
  #gets(named: number, port: number, direction: MirrorDirection): readonly MirrorObject[] {
    const ofPort = this.#byPort.get(`${port} ${direction}`) ?? []
    if (named === 0) return ofPort
    const mirror = this.#mirrors.get(named - 1)
    return mirror === undefined || ofPort.includes(mirror) ? [] : [mirror]
  }
}
