// What `npm run kernels` takes for sound: it said so of runs in which nothing was tested; how it bounds what properties take; and what it leaves behind.
import fc from 'fast-check'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { boundedRuns } from '../scripts/lib/bounded-runs.mjs'
import { makeGuestFolder } from '../scripts/lib/guest-folders.mjs'
import { runInGuest } from '../scripts/lib/guest-kernel.mjs'
import { countsOf, cutText, isSound, outcomeOf, skipReasonIn, unreached } from '../scripts/lib/guest-records.mjs'

const PASSED = { state: 'passed', test: 'a.test.ts > works' } as const
const FAILED = { state: 'failed', test: 'a.test.ts > works' } as const
const PLANNED = { state: 'planned', test: 'a.test.ts > hangs' } as const
const cut = (made: number, wanted: number) => ({ state: 'cut', test: PLANNED.test, made, wanted }) as const
const run = (status: number | undefined, ...records: Parameters<typeof outcomeOf>[0]) => ({
  name: '6.1',
  status,
  deaths: [] as string[],
  ...outcomeOf(records),
})
const unreachable = { name: '6.12', status: undefined, deaths: [], unreachable: 'no network', ...outcomeOf([]) }

describe('the outcome of a suite on other kernels', () => {
  it.each([
    ['all tests passed', [run(0, PASSED)], []],
    ['a kernel that nobody named is out of reach, and another is not', [run(0, PASSED), unreachable], ['6.1']],
    ['a property was cut short to three runs', [run(0, PASSED, cut(3, 20))], []],
    ['a property was cut short to a tenth of its runs', [run(0, PASSED, cut(10, 100))], []],
  ] as const)('is sound where %s', (_, outcomes, named) => {
    expect(isSound(outcomes, named)).toBe(true)
  })

  it.each([
    ['a test failed', [run(1, FAILED)], []],
    ['a test did not end', [run(0, PASSED, PLANNED)], []],
    ['the run did not end', [run(undefined, PASSED)], []],
    ['all tests passed and the run ended with an error of its own', [run(1, PASSED)], []],
    ['the run could not begin', [run(1)], []],
    ['there was no test', [run(0)], []],
    ['a kernel died before the one that passed', [{ ...run(0, PASSED), deaths: ['6.1.log'] }], []],
    ['every kernel is out of reach', [unreachable], []],
    ['a property was cut short to two runs', [run(0, PASSED, cut(3, 20), cut(2, 20))], []],
    ['a property was cut short to less than a tenth of its runs', [run(0, PASSED, cut(9, 100))], []],
    ['of a property that was cut short nobody knows how many runs were made', [run(0, PASSED, { state: 'cut', test: PASSED.test })], []],
    ['a kernel that was named is out of reach', [run(0, PASSED), unreachable], ['6.1', '6.12']],
  ] as const)('is not sound where %s', (_, outcomes, named) => {
    expect(isSound(outcomes, named)).toBe(false)
  })
})

describe('properties of a suite that were cut short', () => {
  const CUT = cut(4, 20)

  it('are counted and named, and say nothing of whether the test ended', () => {
    const ended = run(0, PLANNED, CUT, CUT, { ...PASSED, test: PLANNED.test })
    expect(ended.cut).toEqual([CUT, CUT])
    expect(countsOf(ended)).toBe('1 passed, 0 failed, 0 skipped, 2 properties cut short, to 4 of 20 runs at least and 4 of 20 runs at most')
    expect(isSound([ended], [])).toBe(true)
    const hanging = run(0, PASSED, PLANNED, CUT)
    expect([hanging.unfinished, isSound([hanging], [])]).toEqual([[PLANNED], false])
    expect(countsOf(run(0, PASSED))).toBe('1 passed, 0 failed, 0 skipped, 0 properties cut short')
  })

  it('are told with the least and the most that was made of one', () => {
    expect(countsOf(run(0, cut(29, 30)))).toBe('0 passed, 0 failed, 0 skipped, 1 property cut short to 29 of 30 runs')
    const { cut: three } = run(0, cut(5, 20), cut(20, 100), cut(29, 30))
    expect(cutText(three)).toBe('3 properties cut short, to 20 of 100 runs at least and 29 of 30 runs at most')
  })
})

describe('why a test was skipped', () => {
  it.each([
    ['a group says', 'a.test.ts > a group (skipped: needs tcx) > forwards', 'needs tcx'],
    ['the test says', 'a.test.ts > a group > forwards (skipped: needs tcx)', 'needs tcx'],
    [
      'has parentheses of its own',
      'a.test.ts > a group (skipped: needs netkit (since 6.7): error (95)) > forwards',
      'needs netkit (since 6.7): error (95)',
    ],
    // Such tests were counted each as one of its own, with its title as the reason.
    ['is followed by a title with parentheses', 'a.test.ts > a group (skipped: needs netkit) > forwards (RFC 791 §3.2)', 'needs netkit'],
    ['is that of the outermost group', 'a.test.ts > a group (skipped: needs netkit) > cuts (skipped: needs tcx)', 'needs netkit'],
    ['is not told', 'a.test.ts > a group (a part) > forwards', undefined],
    ['is not told to its end', 'a.test.ts > a group (skipped: needs (tcx) > forwards', undefined],
  ])('%s', (_, test, reason) => {
    expect(skipReasonIn(test)).toBe(reason)
  })
})

describe('what a kernel that died had not reached', () => {
  const FILES = ['a.test.ts', 'b.test.ts']
  it.each([
    ['everything, when it said nothing', [], FILES],
    ['a file with a test that was planned and is not heard of, whatever became of others', [PASSED, PLANNED], FILES],
    ['the file that comes next', [PLANNED, { ...PASSED, test: PLANNED.test }], ['b.test.ts']],
    ['nothing, when a file failed as one', [PASSED, { state: 'failed', test: 'b.test.ts' }], []],
    ['a file whose name another begins with', [PASSED, { ...PASSED, test: 'b.test.tsx > works' }], ['b.test.ts']],
  ] as const)('is %s', (_, records, expected) => {
    expect(unreached(FILES, records)).toEqual(expected)
  })
})

describe('properties on slow kernels', () => {
  const SEED = 7
  const printed: string[] = []
  const short: [string, { made: number; wanted: number }][] = []
  /** @param body of each run, which gets its number @param patience milliseconds */
  async function assertOf(body: (run: number) => unknown, patience: number): Promise<number> {
    let runs = 0
    let isRunning = false
    const property = fc.asyncProperty(fc.nat(), async () => {
      expect(isRunning).toBe(false)
      isRunning = true
      try {
        await body(++runs)
      } finally {
        isRunning = false
      }
    })
    await fc.assert(property, {
      numRuns: 20,
      seed: SEED,
      ...boundedRuns(
        patience,
        (line) => printed.push(line),
        (...told) => short.push(told),
      ),
    })
    expect(isRunning).toBe(false)
    return runs
  }

  it('make all their runs where there is the time', async () => {
    expect(await assertOf(() => undefined, 60_000)).toBe(20)
    expect(printed.pop()).toBe('property: 20 of 20 runs (seed 7)')
    expect(short).toEqual([])
  })

  it('begin no run when the time is over, and leave none behind', async () => {
    expect(await assertOf(() => sleep(2050), 2000)).toBe(1)
    expect(printed.pop()).toBe('property: 1 of 20 runs within 2 s (seed 7)')
    expect(short.splice(0)).toEqual([['1 of 20 runs within 2 s (seed 7)', { made: 1, wanted: 20 }]])
  })

  it('fail when a run does', async () => {
    await expect(assertOf((run) => expect(run).toBeLessThan(3), 60_000)).rejects.toMatchObject({
      message: expect.stringContaining('seed: 7') as string,
      // It was not told what had failed, only for which values.
      cause: { message: expect.stringMatching(/^expected \d+ to be less than 3/) as string },
    })
  })

  it('fail when preconditions leave out too much, whatever time there is', async () => {
    const property = fc.property(fc.nat(), (n) => fc.pre(n % 10 === 0))
    const bounds = boundedRuns(60_000, (line) => printed.push(line))
    expect(() => fc.assert(property, { numRuns: 100, seed: SEED, ...bounds })).toThrow(/pre-?condition/i)
    expect(printed.pop()).toMatch(/^property: \d+ of 100 runs \(seed 7\)$/)
  })

  it('fail when there was no run', async () => {
    await expect(assertOf(() => undefined, 0)).rejects.toThrow()
  })
})

describe('the folders of a guest', () => {
  const kinds = ['guest', 'initramfs'] as const
  const NOBODY = 65_534
  const modulePath = new URL('../scripts/lib/guest-folders.mjs', import.meta.url).href
  /** What a process of its own writes that runs this, and how it ends. @param environment besides this one's */
  async function ran(program: string, environment: Readonly<Record<string, string>> = {}) {
    const script = `import { makeGuestFolder, sweepGuestFolders } from ${JSON.stringify(modulePath)}\n${program}`
    const env = { ...process.env, ...environment }
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
    await once(child, 'close')
    return { said: said.trim(), status: child.exitCode }
  }
  /** Folders of a process that is killed and takes none away. */
  async function killed(environment?: Readonly<Record<string, string>>): Promise<string[]> {
    const folders = `${JSON.stringify(kinds)}.map(makeGuestFolder).join('\\n') + '\\n'`
    return (await ran(`process.stdout.write(${folders}, () => process.kill(process.pid, 'SIGKILL'))`, environment)).said.split('\n')
  }

  it('go with the next guest when their process was killed, those that live keep theirs, and one that cannot begin leaves none', async () => {
    const left = await killed()
    expect(left.map((path) => [existsSync(path), basename(path).split('-')[1]])).toEqual(kinds.map((kind) => [true, kind]))
    for (const path of left) writeFileSync(join(path, 'files'), '')
    const ours = kinds.map(makeGuestFolder)
    try {
      const nowhere = join(ours[0], 'no-kernel')
      const guest = { folder: nowhere, version: 'none', image: nowhere, command: ['true'], timeout: 1, print: () => undefined }
      // Where busybox or depmod is not there either, it says so.
      await expect(runInGuest(guest)).rejects.toThrow(/no-kernel|busybox|depmod/)
      expect(left.filter((path) => existsSync(path))).toEqual([])
      const mine = readdirSync(tmpdir()).filter((name) => kinds.some((kind) => name.startsWith(`heddle-${kind}-${process.pid}-`)))
      expect(mine.toSorted()).toEqual(ours.map((path) => basename(path)).toSorted())
    } finally {
      for (const path of [...left, ...ours]) rmSync(path, { recursive: true, force: true })
    }
  })

  const reason = process.getuid?.() === 0 ? '' : ' (not run: needs root)'
  it.skipIf(reason !== '')(`of another user stay, and keep nobody from a guest${reason}`, async () => {
    const shared = mkdtempSync(join(tmpdir(), 'heddle-shared-'))
    try {
      chmodSync(shared, 0o1777)
      const left = await killed({ TMPDIR: shared })
      const asNobody = `process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY})`
      expect((await ran(`${asNobody}; makeGuestFolder('guest')`, { TMPDIR: shared })).status).toBe(0)
      expect(readdirSync(shared)).toHaveLength(kinds.length + 1)
      // It was refused the first folder of root, and ended: no guest of anybody else began any more.
      expect((await ran(`${asNobody}; sweepGuestFolders()`, { TMPDIR: shared })).status).toBe(0)
      expect(readdirSync(shared).toSorted()).toEqual(left.map((path) => basename(path)).toSorted())
    } finally {
      rmSync(shared, { recursive: true, force: true })
    }
  })
})
