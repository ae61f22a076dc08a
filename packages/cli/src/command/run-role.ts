import type { ConfigChange } from '@heddle/agent'
import type { LogLevel } from '@heddle/io'
import { jsonLogger, textLogger } from '@heddle/io/node'
import type { Logger } from '@heddle/io'
import { loadNode, loadSpeaker } from '../config/load.js'
import type { SpeakerDocument } from '../config/document.js'
import { defaultSocket } from '../control/default-socket.js'
import { serveControl, type ControlServer } from '../control/server.js'
import { deferred } from '../node/deferred.js'
import { handlerFor } from '../node/handler.js'
import type { ReloadOptions, RoleHandle } from '../node/role-handle.js'
import { changeText } from '../output/changes.js'
import type { Output } from '../output/output.js'

export type RoleName = 'node' | 'speaker'

export interface RunRoleOptions {
  /** Path of the configuration. */
  readonly config: string
  readonly logLevel: LogLevel
  /** Only check the configuration. */
  readonly check?: boolean
  readonly json?: boolean
}

/** The ends that a signal asks for. */
const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGUSR2'] as const

/**
 * `heddle node` and `heddle speaker`: reads the configuration, starts, says on standard output that it serves, and runs until a signal ends it.
 *
 * SIGTERM and SIGINT withdraw and send Cease. SIGUSR2 ends for a restart: towards peers with graceful restart sessions break off without a word,
 * and forwarding goes on. SIGHUP reads the configuration again and changes what differs; a file that is wrong changes nothing.
 */
export async function runRole(name: RoleName, options: RunRoleOptions, output: Output, version: string): Promise<void> {
  const { config: file, logLevel, check = false, json = false } = options
  const role = await prepare(name, file)
  if (check) {
    output.write(json ? `${JSON.stringify({ file, ok: true })}\n` : `${file}: no problem found\n`)
    return
  }
  const sink = { level: logLevel, stream: { write: (line: string) => output.error(line) } }
  const logger = (json ? jsonLogger(sink) : textLogger(sink)).child({ [name]: role.document.node.name })
  const ending = deferred<{ readonly restart: boolean }>()
  const started = deferred<RoleHandle>()
  started.promise.catch(() => undefined)
  let reloading: Promise<unknown> = Promise.resolve()
  const reload = async (how: ReloadOptions): Promise<readonly ConfigChange[]> => {
    const next = reloading.then(async () => {
      await started.promise
      const changes = await role.reload(how)
      if (how.dryRun === true) return changes
      logger.info('configuration reloaded', { file, changes: changes.filter(({ kind }) => kind !== 'keep').map(changeText) })
      return changes
    })
    reloading = next.catch(() => undefined)
    return next
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    logger.info('stopping', { signal })
    ending.resolve({ restart: signal === 'SIGUSR2' })
  }
  const onHangUp = (): void => {
    reload({}).catch((error: unknown) => {
      for (const line of (error as Error).message.split('\n')) logger.error('configuration refused, the old one stays', { error: line })
    })
  }
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal)
  process.on('SIGHUP', onHangUp)
  let control: ControlServer | undefined
  let handle: RoleHandle | undefined
  try {
    const socket = role.document.socket ?? defaultSocket(role.document.node.name)
    control = await serveControl(socket, handlerFor(started.promise, { version, reload, stop: (how) => ending.resolve(how) }))
    try {
      handle = await role.start(logger)
    } catch (error) {
      started.reject(error)
      throw error
    }
    started.resolve(handle)
    output.write(`${readiness(name, handle, socket, { json, version })}\n`)
    const { restart } = await ending.promise
    await control.close()
    await handle.stop({ restart })
    logger.info('stopped', { restart })
  } finally {
    await control?.close()
    await handle?.stop()
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal)
    process.off('SIGHUP', onHangUp)
  }
}

/** A role whose configuration was read and accepted. */
interface PreparedRole {
  readonly document: SpeakerDocument
  start(logger: Logger): Promise<RoleHandle>
  /** Reads the file again; for a role that was started. @throws ConfigError, AgentError */
  reload(options: ReloadOptions): Promise<readonly ConfigChange[]>
}

type ReloadableRole<Document> = RoleHandle & { reload(document: Document, options: ReloadOptions): Promise<readonly ConfigChange[]> }

/** @throws ConfigError */
async function prepare(name: RoleName, file: string): Promise<PreparedRole> {
  // a speaker has no use for the code of dataplanes, endpoints and pods, and its memory is a figure people look at
  if (name === 'node') return prepared(loadNode, async (...start) => (await import('../node/create-node.js')).createNode(...start), file)
  return prepared(loadSpeaker, async (...start) => (await import('../node/create-speaker.js')).createSpeaker(...start), file)
}

async function prepared<Document extends SpeakerDocument>(
  load: (file: string) => Promise<Document>,
  create: (document: Document, options: { readonly logger: Logger }) => Promise<ReloadableRole<Document>>,
  file: string,
): Promise<PreparedRole> {
  const document = await load(file)
  let handle: Awaited<ReturnType<typeof create>> | undefined
  return {
    document,
    async start(logger) {
      handle = await create(document, { logger })
      return handle
    },
    async reload(how) {
      return (await handle?.reload(await load(file), how)) ?? []
    },
  }
}

/** The line that says that a role serves. */
function readiness(
  role: RoleName,
  { name, listening }: RoleHandle,
  socket: string,
  { json, version }: { readonly json: boolean; readonly version: string },
): string {
  if (json) return JSON.stringify({ ready: true, role, name, socket, listening, pid: process.pid, version })
  const places = listening.map(({ address, port }) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`))
  return `heddle ${role} ${name} ready: socket ${socket}${places.length === 0 ? '' : `, BGP on ${places.join(', ')}`}`
}
