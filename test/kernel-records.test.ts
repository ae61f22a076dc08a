// What is kept of runs on other kernels: the table said "passed" of commits that nobody could name, and nothing of what was cut short.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { outcomeOf } from '../scripts/lib/guest-records.mjs'
import { joined, keep, keptRecords, recordsOf, withTables } from '../scripts/lib/kernel-records.mjs'
import { QUICK, suiteOf, suites } from '../scripts/lib/kernel-suites.mjs'

type Document = Parameters<typeof recordsOf>[0]
type TestRecord = Parameters<typeof outcomeOf>[0][number]

const FILES = ['a.test.ts', 'b.test.ts', 'c.test.ts']
const passedOf = (tests: readonly string[]) => tests.map((test) => ({ state: 'passed', test: `${test} > works` }) as const)

/** What a run of these files says, in which each had a test that passed. */
function documentOf(tests: readonly string[], more: readonly TestRecord[] = [], changes: Partial<Document> = {}): Document {
  return {
    commit: '12345678',
    date: '2026-12-01T10:00:00.000Z',
    suite: { name: 'dataplane', files: FILES.length },
    tests,
    kernels: [kernelOf(tests, more)],
    ...changes,
  }
}

function kernelOf(tests: readonly string[], more: readonly TestRecord[] = []): Document['kernels'][number] {
  return { name: '6.1', version: '6.1.0-57', status: 0, seconds: 60, deaths: [], ...outcomeOf([...passedOf(tests), ...more]) }
}

const recordOf = (...of: Parameters<typeof documentOf>) => recordsOf(documentOf(...of))[0]
const marked = (suite: string, rows = '') =>
  `<!-- kernels, ${suite}: written by node scripts/record-kernels.mjs -->\n${rows}<!-- kernels end -->\n`
const TEXT = `Before.\n\n${marked('dataplane')}\nBetween.\n\n${marked('peers', 'what stood here\n')}\nBehind.\n`
/** Cells of the rows of a table by kernel dataplanes. */
const rowsOf = (...records: Parameters<typeof withTables>[1]) =>
  [...withTables(TEXT, records).matchAll(/^\| (\d.*) \|$/gm)].map(([, cells]) => cells.split(' | '))

const SKIPPED = ['needs netkit', 'needs tcx', 'needs netkit'].map(
  (reason) => ({ state: 'skipped', test: 'a.test.ts > x', reason }) as const,
)
const cut = (made: number, wanted: number) => ({ state: 'cut', test: 'a.test.ts > holds', made, wanted, reason: 'short' }) as const

describe('a run on another kernel', () => {
  it('is kept with its commit, its day and its kernel, in counts', () => {
    expect(recordOf(FILES, [...SKIPPED, cut(21, 30)])).toEqual({
      suite: 'dataplane',
      kernel: '6.1',
      version: '6.1.0-57',
      commit: '12345678',
      files: 3,
      runs: [
        {
          date: '2026-12-01',
          seconds: 60,
          status: 0,
          deaths: 0,
          passed: 3,
          failed: 0,
          unfinished: 0,
          skipped: { 'needs netkit': 2, 'needs tcx': 1 },
          cut: [{ test: 'a.test.ts > holds', made: 21, wanted: 30 }],
        },
      ],
    })
  })

  it('names what did not pass, and no thousand of them', () => {
    const failed = Array.from({ length: 1000 }, (_, at) => ({ state: 'failed', test: `a.test.ts > ${at}` }) as const)
    const [run] = recordOf(FILES, failed).runs
    expect([run.failed, run.names?.length, run.names?.[0]]).toEqual([1000, 20, 'a.test.ts > 0'])
  })

  it.each([
    ['of sources that were changed', { commit: '12345678 with changes' }],
    ['of a commit that is not known', { commit: 'unknown' }],
    ['of tests that are in no suite', { suite: undefined }],
  ])('is not kept %s', (_, changes) => {
    expect(() => recordsOf(documentOf(FILES, [], changes))).toThrow(/commit|suite/)
  })

  it('of a kernel that was out of reach says nothing', () => {
    const kernels = [{ ...kernelOf([]), name: 'newest', unreachable: 'no network' }, kernelOf(FILES)]
    expect(recordsOf(documentOf(FILES, [], { kernels })).map(({ kernel }) => kernel)).toEqual(['6.1'])
  })
})

describe('runs of parts of a suite', () => {
  const [first, second] = [recordOf(FILES.slice(0, 1), SKIPPED), recordOf(FILES.slice(1), [SKIPPED[0], cut(5, 10)])]

  it('are marked as parts until all are there, and are one row then', () => {
    expect(rowsOf(first)).toEqual([
      ['6.1.0-57', '2026-12-01, 12345678', '**a part: 1 of 3 files**', '1 passed, none failed', '2 (needs netkit), 1 (needs tcx)'],
    ])
    const outcome = '3 passed, none failed, 1 property cut short to 5 of 10 runs'
    expect(rowsOf(joined(first, second))).toEqual([
      ['6.1.0-57', '2026-12-01, 12345678', 'all, in 2 runs', outcome, '3 (needs netkit), 1 (needs tcx)'],
    ])
  })

  it('count no test twice', () => {
    expect(() => joined(second, recordOf(FILES.slice(0, 2)))).toThrow('b.test.ts is in the run of 2026-12-01')
    expect(() => joined(recordOf(FILES), second)).toThrow('the whole suite is in the run of 2026-12-01')
  })

  it('give way to one of all that they had', () => {
    const again = recordOf(FILES.slice(0, 1))
    expect(joined(joined(first, second), again).runs).toEqual([...second.runs, ...again.runs])
    expect(joined(joined(first, second), recordOf(FILES)).runs).toEqual(recordOf(FILES).runs)
  })

  it('are of one build of the kernel', () => {
    const other = { kernels: [{ ...kernelOf(FILES.slice(1)), version: '6.1.0-58' }] }
    expect(() => joined(first, recordOf(FILES.slice(1), [], other))).toThrow('one run was on 6.1.0-57 and another one on 6.1.0-58')
  })
})

describe('the tables of runs', () => {
  it('stand between their marks, and nothing else is changed', () => {
    const once = withTables(TEXT, [recordOf(FILES)])
    expect(once.split('\n').filter((line) => !line.startsWith('|'))).toEqual(TEXT.replace('what stood here', 'No run is kept.').split('\n'))
    expect(withTables(once, [recordOf(FILES)])).toBe(once)
    expect(() => withTables(TEXT.replace('kernels, peers', 'kernels, others'), [])).toThrow('no place for the table of peers')
  })

  it('go from old kernels to new, with the last run of each first', () => {
    const of = (version: string, day: number) => ({ ...recordOf(FILES, [], { date: `2026-12-0${day}` }), version })
    const rows = rowsOf(of('6.12.1', 1), of('6.1.9', 1), of('6.1.9', 3), of('6.1.10', 2))
    expect(rows.map(([version, day]) => `${version} ${day.slice(9, 10)}`)).toEqual(['6.1.9 3', '6.1.9 1', '6.1.10 2', '6.12.1 1'])
  })

  const HANGS = { state: 'planned', test: 'a.test.ts > hangs' } as const
  it.each([
    ['what failed', kernelOf(FILES, [{ state: 'failed', test: 'a.test.ts > fails' }]), '**1 failed**'],
    ['what did not end', kernelOf(FILES, [HANGS]), '**1 did not end**'],
    ['a kernel that died', { ...kernelOf(FILES), deaths: ['6.1.log', '6.1-2.log'] }, '**the kernel died 2 times**'],
    ['a run that ended with an error of its own', { ...kernelOf(FILES), status: 1 }, '**a run did not end well**'],
    ['a run that did not end', { ...kernelOf(FILES), status: undefined }, '**a run did not end well**'],
    [
      'properties of too few runs',
      kernelOf(FILES, [cut(1, 20), cut(9, 20)]),
      'to 1 of 20 runs at least and 9 of 20 runs at most, **1 of them too short**',
    ],
  ])('tell of %s', (_, kernel, said) => {
    expect(rowsOf(recordOf(FILES, [], { kernels: [kernel] }))[0][3]).toContain(said)
  })
})

describe('the suites', () => {
  it('have what is asked of each kernel quickly, and each test counts for one', () => {
    const { dataplane, peers } = suites()
    expect(suiteOf(QUICK)).toEqual({ name: 'dataplane', files: dataplane.length })
    expect(suiteOf(peers)).toEqual({ name: 'peers', files: peers.length })
    expect(suiteOf([...QUICK, 'test/arm64.test.ts'])).toBeUndefined()
  })
})

describe('what is kept in a folder', () => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  let folder: string
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'heddle-records-'))))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('is a file a suite, kernel and commit, and nothing where a part of it cannot be', () => {
    keep(documentOf(FILES.slice(0, 1)), folder)
    keep(documentOf(FILES.slice(1)), folder)
    expect(readdirSync(folder)).toEqual(['dataplane-6.1-12345678.json'])
    expect(keptRecords(folder).map(({ runs }) => runs.map(({ tests }) => tests))).toEqual([[['a.test.ts'], ['b.test.ts', 'c.test.ts']]])
    const kernels = ['6.12', '6.1'].map((name) => ({ ...kernelOf(FILES.slice(0, 2)), name }))
    expect(() => keep(documentOf(FILES.slice(0, 2), [], { kernels }), folder)).toThrow('b.test.ts is in the run')
    expect(readdirSync(folder)).toEqual(['dataplane-6.1-12345678.json'])
  })

  it('is of what is checked out, with a word where sources differ from it', () => {
    cpSync(join(root, 'scripts'), join(folder, 'scripts'), { recursive: true })
    const git = (...words: string[]) => {
      const { status, stdout } = spawnSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...words], {
        cwd: folder,
        encoding: 'utf8',
      })
      expect(status).toBe(0)
      return stdout.trim()
    }
    const program = `import { thisCommit } from ${JSON.stringify(join(folder, 'scripts/lib/kernel-records.mjs'))}; console.log(thisCommit())`
    const commit = () => spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }).stdout.trim()
    git('init', '-q')
    git('add', '-A')
    git('commit', '-qm', 'All')
    const head = git('rev-parse', '--short=8', 'HEAD')
    writeFileSync(join(folder, 'README.md'), 'No source.\n')
    expect(commit()).toBe(head)
    mkdirSync(join(folder, 'packages'))
    writeFileSync(join(folder, 'packages/new.ts'), '')
    expect(commit()).toBe(`${head} with changes`)
  })

  it('is what the documentation says, as the check tells', () => {
    for (const path of ['scripts', 'docs/INTEROP.md', 'docs/kernels']) cpSync(join(root, path), join(folder, path), { recursive: true })
    const ran = (...words: string[]) => {
      const { status, stderr } = spawnSync(process.execPath, [join(folder, 'scripts/record-kernels.mjs'), ...words], { encoding: 'utf8' })
      return [status, stderr.trim()]
    }
    expect(ran('--check')).toEqual([0, ''])
    const document = join(folder, 'outcome.json')
    writeFileSync(document, JSON.stringify(documentOf(FILES)))
    const before = readFileSync(join(folder, 'docs/INTEROP.md'), 'utf8')
    expect(ran(document)).toEqual([0, ''])
    expect(readFileSync(join(folder, 'docs/INTEROP.md'), 'utf8')).not.toBe(before)
    expect(ran('--check')).toEqual([0, ''])
    rmSync(join(folder, 'docs/kernels/dataplane-6.1-12345678.json'))
    expect(ran('--check')).toEqual([1, 'docs/INTEROP.md is not what docs/kernels gives; run: node scripts/record-kernels.mjs'])
    writeFileSync(document, JSON.stringify(documentOf(FILES, [], { commit: '12345678 with changes' })))
    expect(ran(document)).toEqual([1, 'this is no run of a commit: 12345678 with changes'])
  })
})
