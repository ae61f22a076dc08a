import { DataplaneError } from '@heddle/core'
import { LinuxError } from '@heddle/linux'
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { RUN_SOURCES } from '../../dataplane-tun/test/support/run-sources.js'
import { call } from '../src/native/call.js'
import { ebpfFeatures } from '../src/probe.js'
import { checkPrivileges, refusalOf } from '../src/privileges.js'
import { missing, titled } from './support/requirements.js'
import { RouterNamespace } from './support/router.js'

const status = (...bits: number[]): string => `CapEff:\t${bits.reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n).toString(16)}\n`

describe('capabilities', () => {
  it('are enough with CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON, or with CAP_SYS_ADMIN in place of the latter two', () => {
    expect(() => checkPrivileges(status(12, 38, 39))).not.toThrow()
    expect(() => checkPrivileges(status(12, 21))).not.toThrow()
  })

  it('that are missing are named', () => {
    expect(() => checkPrivileges(status(38, 39))).toThrow(/^CAP_NET_ADMIN is missing/)
    expect(() => checkPrivileges(status())).toThrow(
      /^CAP_NET_ADMIN and CAP_BPF \(or CAP_SYS_ADMIN\) and CAP_PERFMON \(or CAP_SYS_ADMIN\) are missing/,
    )
    expect(() => checkPrivileges(status(12))).toThrow(DataplaneError)
  })

  it('that the kernel asks for with a single call are named, where nothing else can be meant', () => {
    const entering = 'enter network namespace /run/netns/pod'
    const refusal = (code: string, operation: string): string => refusalOf(new LinuxError(code, 1, operation, 'refused'))
    expect(refusal('EPERM', entering)).toBe(
      `it needs CAP_SYS_ADMIN to enter the network namespace /run/netns/pod: ${entering}: refused (EPERM)`,
    )
    expect(refusal('EPERM', 'mount a BPF file system on /run/heddle')).toMatch(
      /^it needs CAP_SYS_ADMIN to mount .* on \/run\/heddle; .*\(mount -t bpf bpf \/run\/heddle\) it is not needed: mount a /,
    )
    expect(refusal('EACCES', entering)).toBe(`${entering}: refused (EACCES)`)
    expect(refusal('EPERM', 'set link eth0')).toBe('set link eth0: refused (EPERM)')
  })

  it('for entering namespaces are asked for in one file, which all other parts go by', () => {
    const packages = fileURLToPath(new URL('../..', import.meta.url))
    const entering = globSync('*/native/**/*.rs', { cwd: packages, exclude: ['**/target'] }).filter((file) =>
      /\bsetns\(|move_into_link_name_space|move_into_thread_name_spaces/.test(readFileSync(join(packages, file), 'utf8')),
    )
    // The client of the plugin is a program of its own, which the runtime starts, and is no part of an agent.
    expect(entering.toSorted()).toEqual(['cni/native/client/src/loopback.rs', 'linux/native/core/src/netns.rs'])
  })
})

const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)
const hasSetpriv = existsSync('/usr/bin/setpriv')

describe.skipIf(missing() !== '' || !hasSetpriv)(titled(`least privilege${hasSetpriv ? '' : ' (skipped: needs setpriv)'}`), () => {
  let namespace: RouterNamespace
  let folder: string
  let unmounted: string
  beforeAll(() => {
    namespace = new RouterNamespace('least')
    namespace.namespaces.add('least-pod')
    folder = makeFolder('least')
    unmounted = makeFolder('least')
    // Mounted by somebody who may.
    call((native) => native.bpffsEnsure(folder, 'mounted'))
  })
  afterAll(() => {
    call((native) => native.bpffsRelease(folder))
    for (const each of [folder, unmounted]) rmSync(each, { recursive: true, force: true })
    namespace?.close()
  })

  it('is CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON: everything but other namespaces, and mounting', () => {
    const three = '-all,+net_admin,+bpf,+perfmon'
    const agent = fileURLToPath(new URL('support/least-agent.ts', import.meta.url))
    const pod = namespace.namespaces.path('least-pod')
    const network = `--net=${namespace.namespaces.path('least')}`
    const limits = [`--bounding-set=${three}`, `--inh-caps=${three}`]
    const node = [process.execPath, ...RUN_SOURCES, agent, join(folder, 'node'), pod, unmounted]
    const said = execFileSync('nsenter', [network, 'setpriv', ...limits, ...node], { encoding: 'utf8' })
    expect(JSON.parse(said)).toEqual({
      capabilities: ((1n << 12n) | (1n << 38n) | (1n << 39n)).toString(16).padStart(16, '0'),
      status: 'applied',
      mtu: 1400,
      uplink: hasTcx ? 'tcx' : 'clsact',
      foreign: [
        'dataplane.permission',
        expect.stringContaining(`the device eth0 in ${pod} cannot be had: it needs CAP_SYS_ADMIN to enter the network namespace ${pod}: `),
      ],
      mounted: [
        'dataplane.permission',
        expect.stringContaining(
          `the dataplane on up0 cannot be opened: it needs CAP_SYS_ADMIN to mount a BPF file system on ${unmounted}; with one that is mounted beforehand (mount -t bpf bpf ${unmounted}) it is not needed: `,
        ),
      ],
    })
    expect(readFileSync('/proc/mounts', 'utf8')).toContain(` ${folder} bpf `)
  })
})
