import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { AgentError } from '@heddle/agent'
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

/** What is written to files in MRT while a speaker runs. */
export interface MrtFiles {
  /** Ends what is under way, and closes the files. Idempotent. */
  stop(): Promise<void>
}

/** What the files are written with. */
export interface MrtFilesOptions {
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Writes tables and updates to the files that the configuration names; nothing where it names none.
 *
 * @throws the system's error when the file of updates cannot be opened
 */
export async function writeMrt({ node, bgp }: SpeakerDocument, speaker: Speaker, { clock, logger }: MrtFilesOptions): Promise<MrtFiles> {
  const { updates, table } = bgp.mrt ?? {}
  const stops: (() => Promise<void>)[] = []
  if (updates !== undefined) stops.push(await writeUpdates(updates.path, bgp.as, speaker, logger))
  if (table !== undefined) {
    const identity = { collectorId: IpAddress.parse(bgp.routerId ?? node.address), as: bgp.as, viewName: node.name }
    stops.push(writeTables(table, identity, speaker, { clock, logger }))
  }
  return { stop: async () => void (await Promise.all(stops.splice(0).map(async (stop) => stop()))) }
}

/** A running process keeps its files. @throws AgentError `agent.needs-restart` */
export function checkMrtFixed(before: SpeakerDocument, after: SpeakerDocument): void {
  if (JSON.stringify(before.bgp.mrt) !== JSON.stringify(after.bgp.mrt))
    throw new AgentError('agent.needs-restart', 'a change of bgp.mrt needs a restart')
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
