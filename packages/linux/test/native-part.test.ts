import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import {
  DATAGRAM_BATCH,
  DATAGRAM_DESCRIPTOR,
  errnoName,
  LinuxError,
  NativeUnavailableError,
  Netlink,
  PACKET_DESCRIPTOR,
  probe,
  READINESS,
  requireFeatures,
  TUN_DESCRIPTOR,
  WOKEN,
} from '../src/index.js'
import { call } from '../src/native/call.js'
import { VERSION } from '../src/native/load.js'
import { availability, isolated, unbuilt } from './support.js'

describe('the native part', () => {
  it('is named with the way out when it cannot be loaded', async () => {
    const script = `
      const availability = linux.nativeAvailability()
      const { features } = linux.probe()
      let error
      try { await linux.Netlink.open() } catch (caught) { error = caught }
      console.log(JSON.stringify({ availability, tun: features.tun, name: error.name, code: error.code, attempts: error.attempts, message: error.message }))`
    const result = JSON.parse(await isolated(script, { env: { HEDDLE_NATIVE_PATH: '/nowhere/heddle.node' } }))
    expect(result).toMatchObject({
      availability: { available: false },
      tun: { available: false },
      name: 'NativeUnavailableError',
      code: 'linux.native-unavailable',
      attempts: [{ target: '/nowhere/heddle.node' }],
    })
    for (const part of ['/nowhere/heddle.node', 'npm run build:native', `@heddle/linux-linux-${process.arch}-gnu`])
      expect(result.message).toContain(part)
  })

  it('is refused when it is of another version', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hdl-test-'))
    const other = join(folder, 'other.cjs')
    writeFileSync(other, "exports.version = () => '0.0.9'")
    try {
      vi.stubEnv('HEDDLE_NATIVE_PATH', other)
      vi.resetModules()
      const fresh = await import('../src/index.js')
      expect(fresh.nativeAvailability()).toMatchObject({
        available: false,
        reason: expect.stringContaining(`${other}: is of version 0.0.9`),
      })
    } finally {
      vi.unstubAllEnvs()
      rmSync(folder, { recursive: true })
    }
  })

  it('has the version of every manifest', () => {
    const read = (file: string): { version: string; optionalDependencies?: Record<string, string> } =>
      JSON.parse(readFileSync(join(import.meta.dirname, '..', file), 'utf8'))
    const { version, optionalDependencies = {} } = read('package.json')
    expect(version).toBe(VERSION)
    for (const name of ['linux-x64-gnu', 'linux-arm64-gnu']) {
      expect(read(`npm/${name}/package.json`).version).toBe(VERSION)
      expect(optionalDependencies[`@heddle/linux-${name}`]).toBe(VERSION)
    }
    expect(readFileSync(join(import.meta.dirname, '../../../Cargo.toml'), 'utf8')).toContain(`version = "${VERSION}"`)
  })

  it('has an error that lists each attempt', () => {
    const error = new NativeUnavailableError([{ target: 'x', reason: 'not there' }], 'build it')
    expect(error.message).toBe('the native part of @heddle/linux is not available (x: not there); build it')
  })

  it.skipIf(!availability.available)(`agrees with TypeScript on layouts${unbuilt}`, () => {
    const entries = (prefix: string, layout: Readonly<Record<string, number>>): [string, number][] =>
      Object.entries(layout).map(([name, word]) => [`${prefix}.${name}`, word])
    expect(call((native) => native.layouts())).toEqual(
      Object.fromEntries([
        ...entries('datagram', DATAGRAM_DESCRIPTOR),
        ...entries('packet', PACKET_DESCRIPTOR),
        ...entries('tun', TUN_DESCRIPTOR),
        ...entries('poller', READINESS),
        ['batch', DATAGRAM_BATCH],
        ['waiter.woken', WOKEN],
      ]),
    )
  })

  it.skipIf(!availability.available)(`has errors that name number, operation and detail${unbuilt}`, async () => {
    const error: unknown = await Netlink.open('/hdl-test-none').catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(LinuxError)
    expect(error).toMatchObject({
      code: 'ENOENT',
      errno: 2,
      operation: 'enter network namespace /hdl-test-none',
      detail: 'No such file or directory',
    })
    expect((error as LinuxError).message).toBe('enter network namespace /hdl-test-none: No such file or directory (ENOENT)')
    expect(errnoName(11)).toBe('EAGAIN')
  })
})

describe('the probe', () => {
  it('tells each feature or why it is missing', () => {
    const { kernel, features } = probe()
    expect(kernel === '').toBe(!availability.available)
    for (const feature of Object.values(features)) if (!feature.available) expect(feature.reason).not.toBe('')
    expect(Object.keys(features).sort()).toEqual(
      [
        'ipv6',
        'mpls',
        'net-admin',
        'net-raw',
        'packet',
        'raw-gre',
        'sys-admin',
        'tcp-ao',
        'tcp-md5',
        'tun',
        'udp-gro',
        'udp-segment',
      ].sort(),
    )
    if (availability.available && features.mpls.available) requireFeatures('mpls')
    else if (availability.available)
      expect(() => requireFeatures('mpls')).toThrow(
        expect.objectContaining({ code: 'EOPNOTSUPP', message: expect.stringContaining('mpls') }),
      )
  })
})
