import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { ConfigChange } from '@heddle/agent'
import { mrtTable, mrtUpdates, type Speaker } from '@heddle/bgp'
import type { Clock, Logger, Timer } from '@heddle/io'
import { IpAddress } from '@heddle/wire'
import type { MrtSection } from '../config/bgp-document.js'
import type { SpeakerDocument } from '../config/document.js'

/** Seconds between tables where the configuration says nothing. */
const INTERVAL = 7_200
/** Octets that may wait for the disk; what comes then is left out, and told. */
const MOST_WAITING = 1 << 26
/** Octets of a table that are written at once. */
const PIECE = 1 << 16

/** What the files are written with. */
export interface MrtFilesOptions {
  readonly clock: Clock
  readonly logger: Logger
}

/** Other files in the place of those that are written; nothing has happened yet. */
export interface MrtFilesChange {
  /** Writes them from here on, and ends what they replace. */
  use(): Promise<void>
  /** Leaves everything as it was. */
  cancel(): Promise<void>
}

/** One of the files, while it is written. */
interface Writer {
  /** What of the configuration it was made from. */
  readonly section: object
  /** Ends what is under way, and closes the file. */
  stop(): Promise<void>
}

type FileKind = keyof MrtSection
const KINDS: readonly FileKind[] = ['updates', 'table']

/** What is written to files in MRT while a speaker runs: tables and updates, as far as the configuration names files for them. */
export class MrtFiles {
  readonly #speaker: Speaker
  readonly #options: MrtFilesOptions
  readonly #writers = new Map<FileKind, Writer>()

  private constructor(speaker: Speaker, options: MrtFilesOptions) {
    this.#speaker = speaker
    this.#options = options
  }

  /** @throws the system's error when the file of updates cannot be opened */
  static async start(document: SpeakerDocument, speaker: Speaker, options: MrtFilesOptions): Promise<MrtFiles> {
    const files = new MrtFiles(speaker, options)
    await (await files.prepare(document)).use()
    return files
  }

  /** What another configuration changes. */
  plan({ bgp }: SpeakerDocument): ConfigChange[] {
    return KINDS.flatMap((name): ConfigChange[] => {
      const [before, after] = [this.#writers.get(name)?.section, bgp.mrt?.[name]]
      if (isDeepStrictEqual(before, after)) return []
      const kind = before === undefined ? 'add' : after === undefined ? 'remove' : 'change'
      return [{ what: 'mrt', name, kind, impact: 'nothing', fields: [] }]
    })
  }

  /**
   * Opens what another configuration names. A file that stays is written without a gap.
   *
   * @throws the system's error when the file of updates cannot be opened; then nothing has changed
   */
  async prepare(document: SpeakerDocument): Promise<MrtFilesChange> {
    const changed = this.plan(document).map(({ name }) => name as FileKind)
    const fresh = new Map<FileKind, Writer>()
    for (const kind of changed) {
      const writer = await this.#begin(kind, document)
      if (writer !== undefined) fresh.set(kind, writer)
    }
    return {
      use: async () => {
        const old = changed.map((kind) => this.#writers.get(kind))
        for (const kind of changed) this.#writers.delete(kind)
        for (const [kind, writer] of fresh) this.#writers.set(kind, writer)
        await Promise.all(old.map(async (writer) => writer?.stop()))
      },
      cancel: async () => void (await Promise.all([...fresh.values()].map(async (writer) => writer.stop()))),
    }
  }

  /** Ends what is under way, and closes the files. Idempotent. */
  async stop(): Promise<void> {
    const writers = [...this.#writers.values()]
    this.#writers.clear()
    await Promise.all(writers.map(async (writer) => writer.stop()))
  }

  async #begin(kind: FileKind, { node, bgp }: SpeakerDocument): Promise<Writer | undefined> {
    const { updates, table } = bgp.mrt ?? {}
    if (kind === 'updates') {
      return updates === undefined
        ? undefined
        : { section: updates, stop: await writeUpdates(updates.path, bgp.as, this.#speaker, this.#options.logger) }
    }
    if (table === undefined) return undefined
    const identity = { collectorId: IpAddress.parse(bgp.routerId ?? node.address), as: bgp.as, viewName: node.name }
    return { section: table, stop: writeTables(table, identity, this.#speaker, this.#options) }
  }
}

async function writeUpdates(path: string, as: number, speaker: Speaker, logger: Logger): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true })
  const file = createWriteStream(path, { flags: 'a' })
  await new Promise<void>((resolve, reject) => file.once('open', () => resolve()).once('error', reject))
  file.on('error', (error) => logger.error('updates are not written any more', { path, error: error.message }))
  let lost = 0
  const end = mrtUpdates(speaker, { as, now: Date.now }, (record) => {
    if (file.destroyed || file.writableLength > MOST_WAITING) {
      if (lost++ === 0) logger.error('the disk is too slow: updates are left out', { path })
      return
    }
    if (lost > 0) logger.warn('updates are written again', { path, lost })
    lost = 0
    file.write(record)
  })
  return async () => {
    end()
    await closed(file)
  }
}

async function closed(file: WriteStream): Promise<void> {
  if (file.destroyed) return
  await new Promise<void>((resolve) => file.end(() => resolve()))
}

interface Identity {
  readonly collectorId: IpAddress
  readonly as: number
  readonly viewName: string
}

function writeTables(
  { path, interval = INTERVAL }: NonNullable<MrtSection['table']>,
  identity: Identity,
  speaker: Speaker,
  { clock, logger }: MrtFilesOptions,
): () => Promise<void> {
  const ending = new AbortController()
  let timer: Timer | undefined
  let writing: Promise<void> = Promise.resolve()
  const again = (): void => {
    timer = clock.setTimer(interval * 1000, () => {
      const now = new Date()
      const name = path.replaceAll('%t', now.toISOString().replaceAll(/[-:]|\.\d+/g, ''))
      writing = writeTable(name, speaker, { ...identity, timestamp: Math.floor(now.getTime() / 1000) }, ending.signal)
        .then(() => logger.info('a table is written', { path: name }))
        .catch((error: unknown) => logger.error('a table is not written', { path: name, error: (error as Error).message }))
        .finally(again)
    })
  }
  again()
  return async () => {
    ending.abort()
    timer?.cancel()
    await writing
  }
}

/** A file appears under its name when it is whole. */
async function writeTable(
  path: string,
  speaker: Speaker,
  options: Identity & { readonly timestamp: number },
  signal: AbortSignal,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const draft = `${path}.part`
  const file = await open(draft, 'w')
  try {
    let [pieces, size]: [Uint8Array[], number] = [[], 0]
    for (const record of mrtTable(speaker, options)) {
      signal.throwIfAborted()
      pieces.push(record)
      size += record.length
      if (size < PIECE) continue
      await file.writev(pieces)
      await setImmediate()
      ;[pieces, size] = [[], 0]
    }
    if (pieces.length > 0) await file.writev(pieces)
    await file.close()
    await rename(draft, path)
  } catch (error) {
    await file.close()
    await rm(draft, { force: true })
    throw error
  }
}
