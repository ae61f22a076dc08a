import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SOCKET, executableOfHeddle } from './heddle.ts'

const COLUMNS = ['memory.tables', 'memory.attributeSets', 'memory.exportGroups'] as const
type MetricName = 'packed' | (typeof COLUMNS)[number]

/** UPDATEs that a speaker has packed since it started. */
export async function packedUpdates(directory: string): Promise<number> {
  return (await metrics(directory))('packed')
}

/** Octets of a speaker's columns: tables, attribute sets, and what peers hold. */
export async function columnOctets(directory: string): Promise<number> {
  const value = await metrics(directory)
  return COLUMNS.reduce((sum, name) => sum + value(name), 0)
}

/** What a speaker counts, as its own command line shows it. @throws TypeError when it shows no such number */
async function metrics(directory: string): Promise<(name: MetricName) => number> {
  const args = [executableOfHeddle, '--socket', join(directory, SOCKET), 'show', 'bgp', 'metrics']
  const { stdout } = await promisify(execFile)(process.execPath, args)
  const values = new Map(stdout.split('\n').map((line) => line.split(/\s+/, 2) as [string, string]))
  return (name) => {
    const value = Number(values.get(name))
    if (Number.isNaN(value)) throw new TypeError(`heddle show bgp metrics shows no ${name}:\n${stdout}`)
    return value
  }
}
