import { execFileSync } from 'node:child_process'
import type { KeeperPlace } from '../../src/liveness/keeper-process.js'

/** Processes of keepers, those that start included, by their command lines. */
export function keepersOf({ pins }: Pick<KeeperPlace, 'pins'>): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n')
  return lines.filter((text) => text.includes('keeper-main') && text.includes(pins)).map((line) => Number.parseInt(line, 10))
}

/** Ends the keeper, or stops it, and tells which process it was. @throws TypeError when there is none: 0 would be the group of this process */
export function signalKeeper(place: Pick<KeeperPlace, 'pins'>, signal: NodeJS.Signals): number {
  const pid = keeperOf(place)
  if (pid === 0) throw new TypeError(`no keeper goes by ${place.pins}`)
  process.kill(pid, signal)
  return pid
}

/** Process of the keeper, 0 when there is none. */
export function keeperOf(place: Pick<KeeperPlace, 'pins'>): number {
  return keepersOf(place)[0] ?? 0
}
