import { LOG_LEVELS } from '@heddle/io/node'
import { DataplaneError } from '@heddle/core'
import type { LogLevel } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import { address, list, number, record, text } from '../protocol/json.js'

/** What a forwarder is told when it starts. */
export interface ForwarderConfiguration {
  /** Holds its socket and log. */
  readonly directory: string
  readonly addresses: readonly IpAddress[]
  readonly underlayNetns: string | undefined
  readonly entropyPorts: number
  readonly workers: number
  readonly logLevel: LogLevel
}

/** As a text that is equal for equal configurations. */
export function configurationText({
  directory,
  addresses,
  underlayNetns,
  entropyPorts,
  workers,
  logLevel,
}: ForwarderConfiguration): string {
  return JSON.stringify({ directory, addresses, underlayNetns, entropyPorts, workers, logLevel })
}

/** @throws ProtocolError unless `json` is the text of a configuration */
export function configurationFrom(json: string): ForwarderConfiguration {
  const from = record(JSON.parse(json), 'configuration')
  const logLevel = text(from['logLevel'], 'logLevel') as LogLevel
  if (!LOG_LEVELS.includes(logLevel)) throw new DataplaneError('dataplane.device', `there is no log level ${logLevel}`)
  return {
    directory: text(from['directory'], 'directory'),
    addresses: list(from['addresses'], 'addresses', address),
    underlayNetns: from['underlayNetns'] === undefined ? undefined : text(from['underlayNetns'], 'underlayNetns'),
    entropyPorts: number(from['entropyPorts'], 'entropyPorts'),
    workers: number(from['workers'], 'workers'),
    logLevel,
  }
}
