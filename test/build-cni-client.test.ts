// What `scripts/build-cni-client.mjs` takes for built, and for whom it builds: it said that a client older than its sources was built, built another user's
// anew, and took for musl what was left of an installation that was broken off.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { buildClient, clientFile, sourceHash } from '../scripts/build-cni-client.mjs'

const cpu = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
const MUSL = `${cpu}-unknown-linux-musl`
const GNU = `${cpu}-unknown-linux-gnu`

describe.skipIf(clientFile() === undefined)('the CNI client (Linux on x64 and arm64)', () => {
  let top: string
  let place: { file: string; stampFile: string }

  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), 'heddle-toolchain-'))
    place = { file: join(top, 'heddle-cni'), stampFile: join(top, 'stamp') }
    writeFileSync(place.file, '')
    vi.stubEnv('PATH', join(top, 'bin'))
    vi.stubEnv('CARGO_HOME', top)
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    rmSync(top, { recursive: true })
  })

  /** A toolchain that compiles nothing and tells what it was asked for. */
  function toolchain(): void {
    const folder = join(top, 'bin')
    mkdirSync(join(top, MUSL), { recursive: true })
    mkdirSync(folder)
    const scripts = {
      cargo: `[ "$1" = --version ] && { echo 'cargo 1.99.0'; exit; }\necho "$*" >> ${top}/asked\nexit 7`,
      rustc: `echo ${top}/$4`,
      rustup: `echo "rustup $*" >> ${top}/asked`,
    }
    for (const [name, text] of Object.entries(scripts)) {
      writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`)
      chmodSync(join(folder, name), 0o755)
    }
  }

  function getMusl(): void {
    writeFileSync(join(top, MUSL, 'libstd-0123.rlib'), '')
  }

  const asked = (): readonly string[] =>
    existsSync(join(top, 'asked'))
      ? readFileSync(join(top, 'asked'), 'utf8')
          .trim()
          .split('\n')
          .map((line) => / --target (\S+)/.exec(line)?.[1] ?? line)
      : []

  it('that is older than its sources is not built where there is no cargo', () => {
    writeFileSync(place.stampFile, 'another one')
    expect(buildClient(place)).toMatch(/^no cargo .*older than its sources/)
  })

  it('is not built by force where there is no cargo', () => {
    writeFileSync(place.stampFile, sourceHash(MUSL))
    expect(buildClient({ ...place, force: true })).toMatch(/^no cargo /)
  })

  it.each([MUSL, GNU])('of %s is as good whatever toolchain there is now', (target) => {
    writeFileSync(place.stampFile, sourceHash(target))
    expect(buildClient(place)).toBe(undefined)
    toolchain()
    expect(buildClient(place)).toBe(undefined)
    getMusl()
    expect(buildClient(place)).toBe(undefined)
    expect(asked()).toEqual([])
  })

  it('is built for glibc where musl is not, or its installation was broken off, and no toolchain is changed', () => {
    toolchain()
    expect(buildClient(place)).toBe('cargo build failed (7)')
    expect(asked()).toEqual([GNU])
  })

  it('is built for musl, and for glibc where that fails', () => {
    toolchain()
    getMusl()
    expect(buildClient(place)).toBe('cargo build failed (7)')
    expect(asked()).toEqual([MUSL, GNU])
    expect(existsSync(place.stampFile)).toBe(false)
  })
})
