import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readBtf } from '../packages/dataplane-ebpf/test/support/btf.js'
import { compileBpf } from '../scripts/build-native.mjs'

/** Headers of each architecture's kernel, where Debian puts them. */
const HEADERS = { x64: '/usr/include/x86_64-linux-gnu', arm64: '/usr/aarch64-linux-gnu/include' } as const
/** Of `elf.h`: 64 bits, little-endian, and machines. */
const [CLASS_64, LITTLE_ENDIAN] = [2, 1]
const [NO_MACHINE_BUT_BPF, AARCH64] = [247, 183]

function missing(): string {
  const absent = Object.values(HEADERS).find((folder) => !existsSync(join(folder, 'asm/types.h')))
  if (absent !== undefined) return `needs the kernel's headers in ${absent}: linux-libc-dev and linux-libc-dev-arm64-cross`
  try {
    execFileSync('clang', ['--version'], { stdio: 'ignore' })
    return ''
  } catch {
    return 'needs clang'
  }
}

function headerOf(file: Uint8Array): Record<'class' | 'order' | 'machine', number> {
  expect(String.fromCharCode(...file.subarray(0, 4))).toBe('\x7fELF')
  return { class: file[4], order: file[5], machine: new DataView(file.buffer, file.byteOffset).getUint16(18, true) }
}

const lacking = missing()
describe.skipIf(lacking !== '')(`the BPF programs, compiled for x64 and for arm64${lacking === '' ? '' : ` (skipped: ${lacking})`}`, () => {
  let folder: string
  const objects = {} as Record<keyof typeof HEADERS, Uint8Array>
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'heddle-arm64-'))
    for (const cpu of ['x64', 'arm64'] as const) {
      const object = join(folder, `${cpu}.o`)
      compileBpf(HEADERS[cpu], object)
      objects[cpu] = readFileSync(object)
    }
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('are one object, octet for octet', () => {
    expect(Buffer.compare(objects.x64, objects.arm64)).toBe(0)
  })

  it('are for no machine but that of BPF, little-endian, with their type information', () => {
    expect(headerOf(objects.arm64)).toEqual({ class: CLASS_64, order: LITTLE_ENDIAN, machine: NO_MACHINE_BUT_BPF })
    expect(readBtf(objects.arm64).get('vrf')?.members.length).toBeGreaterThan(1)
  })
})

const root = new URL('..', import.meta.url)
const LIBRARIES = ['linux/npm/linux-arm64-gnu/heddle-linux', 'dataplane-ebpf/npm/linux-arm64-gnu/heddle-ebpf'].map(
  (path) => new URL(`packages/${path}.linux-arm64-gnu.node`, root),
)
const areBuilt = LIBRARIES.every((path) => existsSync(path))
describe.skipIf(!areBuilt)(
  `the libraries for arm64${areBuilt ? '' : ' (skipped: not built; node scripts/build-native.mjs --arm64 builds them, with Rust for arm64 and gcc-aarch64-linux-gnu)'}`,
  () => {
    it.each(LIBRARIES.map((path) => [path.pathname.slice(root.pathname.length), path] as const))('%s is for arm64', (_name, path) => {
      expect(headerOf(readFileSync(path))).toEqual({ class: CLASS_64, order: LITTLE_ENDIAN, machine: AARCH64 })
      // What Node finds a library's functions by.
      expect(readFileSync(path).includes('napi_register_module_v1')).toBe(true)
    })
  },
)
