import { DataplaneError, type DataplaneState } from '@heddle/core'
import { jsonLogger } from '@heddle/io/node'
import { closeSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { takeHandover } from '../forwarder/handover.js'
import { TunForwarder } from '../forwarder/tun-forwarder.js'
import { claim, listenAt } from './claim.js'
import { configurationFrom, configurationText } from './configuration.js'
import { ForwarderServer } from './forwarder-server.js'
import { laneBeside } from './lane-script.js'
import { SOFTWARE_VERSION } from './software-version.js'
import { READY_FD, type ReadyWord } from './start.js'

/**
 * The forwarder's process: opens the underlay, serves one agent after another, and ends when one says `stop`. SIGTERM ends it as well, and leaves
 * the devices; a hang-up of whatever terminal started its agent does not reach it.
 *
 * @param configuration as `configurationText` writes it
 * @param main URL of the script that this process runs
 * @param successor path of a socket to wait at for what another forwarder has; left out to begin anew
 */
export async function runForwarder(configuration: string, main: string, successor?: string): Promise<void> {
  // What this process makes is its owner's alone.
  process.umask(0o077)
  try {
    await serve(configuration, main, successor)
  } catch (error) {
    const code = error instanceof DataplaneError ? error.code : 'dataplane.device'
    const message = error instanceof Error ? error.message.replace(/ \([^)]*\)$/, '') : String(error)
    tell({ ready: false, code, message })
    process.exitCode = 1
  }
}

async function serve(argument: string, main: string, successor: string | undefined): Promise<void> {
  const configuration = configurationFrom(argument)
  process.title = `heddle-forwarder ${configuration.directory}`
  const logger = jsonLogger({ stream: process.stderr, level: configuration.logLevel })
  let dataplane: TunForwarder | undefined
  let release: (() => Promise<void>) | undefined
  const end = async (): Promise<void> => {
    await dataplane?.close({ keep: true })
    await release?.()
    await server.close({ withProcess: true })
    logger.info('The forwarder ends')
  }
  let isEnding = false
  /** By `exit`: a process that ends for want of anything to do closes what it has open some time before. */
  const endProcess = (): void => {
    if (isEnding) return
    isEnding = true
    void end().then(
      () => process.exit(),
      (error: Error) => {
        logger.error('The forwarder ends by an error', { reason: error.stack ?? error.message })
        process.exit(1)
      },
    )
  }
  const options = {
    ...configuration,
    lane: { script: laneBeside(fileURLToPath(main)), execArgv: process.execArgv },
    // Whatever runs on without its lanes would swallow packets: the agent is to start another one.
    failed: (): never => process.exit(1),
    logger,
  }
  const succession = successor !== undefined && {
    succession: {
      adopt: async ({ path, offers, state }: { path: string; offers: number; state: DataplaneState }) =>
        (dataplane = await TunForwarder.adopt(options, await takeHandover(path, offers), state)),
      settle: async () => {
        release = await claim(configuration.directory, server.another())
        server.server.close()
      },
    },
  }
  const server = new ForwarderServer({
    configuration: configurationText(configuration),
    version: SOFTWARE_VERSION,
    logger,
    stopped: endProcess,
    ...succession,
  })
  if (successor === undefined) {
    // The place first: of several forwarders that start at once, one goes on to open sockets.
    release = await claim(configuration.directory, server.server)
    try {
      dataplane = await TunForwarder.open(options)
    } catch (error) {
      await end()
      throw error
    }
    server.serve(dataplane)
  } else await listenAt(server.server, successor)
  process.on('SIGTERM', endProcess)
  process.on('SIGINT', () => undefined)
  process.on('SIGHUP', () => undefined)
  // A bug in one packet's way is not worth the interfaces of a whole node.
  process.on('uncaughtException', (error) => logger.error('An unexpected error', { reason: error.stack ?? error.message }))
  logger.info('The forwarder serves', { pid: process.pid, addresses: configuration.addresses.map(String) })
  tell({ ready: true })
}

/** Tells whoever started this process; nobody may be there any more. */
function tell(word: ReadyWord): void {
  try {
    writeSync(READY_FD, JSON.stringify(word))
    closeSync(READY_FD)
  } catch (error) {
    if (!['EPIPE', 'EBADF'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}
