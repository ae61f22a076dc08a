import { execFileSync } from 'node:child_process'
import type { KeeperPlace } from '../../src/liveness/keeper-process.js'

/** Processes of keepers, those that start included, by their command lines. */
export function keepersOf({ pins }: Pick<KeeperPlace, 'pins'>): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n')
  return lines.filter((text) => text.includes('keeper-main') && text.includes(pins)).map((line) => Number.parseInt(line, 10))
}

/** Process of the keeper, 0 when there is none. */
export function keeperOf(place: Pick<KeeperPlace, 'pins'>): number {
  return keepersOf(place)[0] ?? 0
}
