import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/* What the kernel has of programs and maps, whoever made them, by the numbers that it gives: none is given twice. */

const PERL = '/usr/bin/perl'
/** bpf(2), and what it is asked: to open a program, or a map, by its number. */
const [CALL, OPEN_PROGRAM, OPEN_MAP] = [process.arch === 'arm64' ? 280 : 321, 13, 14]
const OPENS = `my ($call, $command, @ids) = map { $_ + 0 } @ARGV;
for (@ids) { my $asked = pack('L3', $_, 0, 0); print "$_\\n" if syscall($call, $command, $asked, 12) >= 0 }`

export interface Numbers {
  readonly programs: readonly number[]
  readonly maps: readonly number[]
}

/** Why nobody can be asked; empty when somebody can. */
export const lacksAsking = existsSync(PERL) ? '' : 'needs perl'

/** Those that this process has open. */
export function openHere(): Numbers {
  const texts = readdirSync('/proc/self/fdinfo').map((name) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${name}`, 'utf8')
    } catch {
      return '' // the directory's own
    }
  })
  const numbers = (of: string): number[] =>
    texts.flatMap((text) => Array.from(text.matchAll(new RegExp(`^${of}:\\t(\\d+)$`, 'gm')), ([, id]) => Number(id)))
  return { programs: numbers('prog_id'), maps: numbers('map_id') }
}

/** Those of them that are still there. A map stays as long as its memory is mapped, which JavaScript lets go when it collects garbage. */
export function leftOf({ programs, maps }: Numbers): Numbers {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return { programs: still(OPEN_PROGRAM, programs), maps: still(OPEN_MAP, maps) }
}

function still(command: number, ids: readonly number[]): number[] {
  const words = [CALL, command, ...ids].map(String)
  return execFileSync(PERL, ['-e', OPENS, ...words], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
}
