// What is run for the native parts of a commit: programs that nobody could compile were run by those of another commit, and kept as a run of this one.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { bpfHash, bpfStatus } from '../scripts/build-native.mjs'
import { staleParts } from '../scripts/lib/native.mjs'

const CURRENT = { current: true, reason: '' }
let folder: string
let place: { object: string; stampFile: string }
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-parts-'))
  place = { object: join(folder, 'heddle.bpf.o'), stampFile: join(folder, 'stamp') }
})
afterEach(() => rmSync(folder, { recursive: true }))

it('BPF programs are those of the sources only where a stamp says so of them', () => {
  expect(bpfStatus(place)).toBe('the BPF programs are not built')
  writeFileSync(place.stampFile, bpfHash())
  expect(bpfStatus(place)).toBe('the BPF programs are not built')
  writeFileSync(place.object, '')
  expect(bpfStatus(place)).toBe('')
  writeFileSync(place.stampFile, 'of another commit')
  expect(bpfStatus(place)).toBe('the BPF programs are older than their sources')
  rmSync(place.stampFile)
  expect(bpfStatus(place)).toBe('the BPF programs are older than their sources')
})

it('each part that is not of the sources is named', () => {
  const reason = 'the native parts are older than their sources; no cargo'
  expect(staleParts(CURRENT, bpfStatus({ ...place, object: import.meta.filename, stampFile: import.meta.filename }))).toEqual([
    'the BPF programs are older than their sources',
  ])
  expect(staleParts({ current: false, reason }, 'the BPF programs are not built')).toEqual([reason, 'the BPF programs are not built'])
  expect(staleParts(CURRENT, '')).toEqual([])
})
