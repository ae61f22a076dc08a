import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const COUNTING = '/proc/sys/kernel/bpf_stats_enabled'

/** Has the kernel count the runs of programs, all of them, until it is disposed of. Nothing else of the tests asks for it. */
export function countRuns(): Disposable {
  writeFileSync(COUNTING, '1')
  return { [Symbol.dispose]: () => writeFileSync(COUNTING, '0') }
}

/** How often a program has run that this process has open. @param id the kernel's number of it */
export function runsOf(id: number): number {
  for (const name of readdirSync('/proc/self/fdinfo')) {
    const facts = factsOf(`/proc/self/fdinfo/${name}`)
    if (facts.get('prog_id') === id) return facts.get('run_cnt') as number
  }
  throw new RangeError(`no program ${id} is open`)
}

function factsOf(file: string): ReadonlyMap<string, number> {
  let text = ''
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    // the directory's own, or one that was closed meanwhile
  }
  return new Map(Array.from(text.matchAll(/^(\w+):\t(\d+)$/gm), ([, name, value]) => [name, Number(value)]))
}
