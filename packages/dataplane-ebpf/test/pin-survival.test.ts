import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { RUN_SOURCES } from '../../dataplane-tun/test/support/run-sources.js'
import { call } from '../src/native/call.js'
import { KEPT_PINS } from '../src/pin-survival.js'
import { pinsOf, removePins } from '../src/pins.js'
import { missing, titled } from './support/requirements.js'
import { codeOf, RouterLab } from './support/router-lab.js'

const AGENT = fileURLToPath(new URL('support/pin-agent.ts', import.meta.url))

/** How a process comes by a mount namespace: with the process numbers of the host, and with its own, as in a container. */
const WAYS = { 'that sees process 1 of the host': [], 'of a container': ['--pid', '--fork', '--mount-proc'] } as const

/** As systemd leaves the mounts of a unit with a namespace of its own: shared again, in groups that the host is not in. */
const SHARED_AGAIN = ['sh', '-c', 'mount --make-rshared / && exec "$@"', 'sh'] as const

interface Row {
  readonly name: string
  readonly propagation: 'slave' | 'private' | 'unchanged'
  readonly survives: boolean
  readonly isFound?: true
  readonly through?: readonly string[]
}

const ROWS: readonly Row[] = [
  { name: 'one that gets mounts of the host', propagation: 'slave', survives: false },
  { name: 'one like that of a unit', propagation: 'slave', through: SHARED_AGAIN, survives: false },
  { name: 'one of its own', propagation: 'private', survives: false },
  { name: 'one whose mounts reach the host', propagation: 'unchanged', survives: true },
  { name: 'one of its own, on a file system of the host', propagation: 'private', isFound: true, survives: true },
]

describe.skipIf(missing() !== '')(titled('pins of a process in another mount namespace'), () => {
  const lab = new RouterLab('survival')
  /** A mount whose mounts others get, as that of most hosts. */
  let shared: string
  let found: string
  beforeAll(() => {
    shared = lab.path('shared')
    found = lab.path('found')
    mkdirSync(shared)
    execFileSync('mount', ['--bind', shared, shared])
    execFileSync('mount', ['--make-shared', shared])
    call((native) => native.bpffsEnsure(found, 'mounted'))
  })
  afterEach(() => {
    for (const left of [shared, found].map((each) => join(each, 'pins'))) if (existsSync(left)) removePins(left)
  })
  afterAll(() => {
    call((native) => native.bpffsRelease(found))
    execFileSync('umount', [shared])
  })

  describe.each(Object.entries(WAYS))('%s', (_, own) => {
    it.each(ROWS)('$name: promised is what comes true', ({ propagation, survives, isFound = false, through = [] }) => {
      const directory = join(isFound ? found : shared, 'pins')
      const run = [...through, 'nsenter', `--net=${lab.podNetns(0)}`, process.execPath, ...RUN_SOURCES, AGENT, directory]
      const { stdout, stderr } = spawnSync('unshare', ['--mount', `--propagation=${propagation}`, ...own, ...run], { encoding: 'utf8' })
      expect(stderr).toBe('')
      const warnings = survives ? [] : [{ reason: expect.stringContaining(directory), remedy: KEPT_PINS }]
      expect(JSON.parse(stdout)).toEqual({ survivesClose: survives, chosen: survives ? 'goes on' : 'ends', warnings })
      expect(existsSync(join(pinsOf(directory), 'config'))).toBe(survives)
    })
  })

  it('where none can be made, what may be meant is said', async () => {
    expect(await codeOf(lab.open({ pinDirectory: join(found, 'n1.pins') }))).toBe('dataplane.permission')
    await expect(lab.open({ pinDirectory: join(found, 'n1.pins') })).rejects.toThrow(
      /cannot be opened: make the directory .*\(EPERM\): a BPF file system takes no name with a dot/,
    )
  })
})
