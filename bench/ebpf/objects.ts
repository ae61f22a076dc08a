import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from '../harness/machine.ts'

/** What a loaded object does: the native part of the dataplane, which loads any object. */
export interface LoadedObject {
  programs(): readonly { readonly name: string; readonly id: number }[]
  lookup(map: string, key: Uint8Array): Uint8Array | null
  update(map: string, key: Uint8Array, value: Uint8Array): void
  /** @param namespace where the frame comes from; this process's if left out */
  testRun(
    program: string,
    frame: Uint8Array,
    segment: number,
    repeat: number,
    namespace?: string,
  ): { readonly verdict: number; readonly duration: number }
  attach(options: { program: string; namespace: string; ifindex: number; usesTcx: boolean; isXdp?: boolean }): Promise<number>
  detach(attachment: number): Promise<void>
  close(): void
}

interface Native {
  objectLoad(object: Uint8Array, sizes: Record<string, number>, pins?: string): LoadedObject
}

const require = createRequire(join(root, 'packages', 'dataplane-ebpf', 'package.json'))
export const OUT = join(root, 'out', 'bench', 'ebpf')

/** Programs that the bench brings along. */
export const PROGRAMS = ['minimal', 'lookups', 'frames', 'forward', 'joins'] as const
export type Programs = (typeof PROGRAMS)[number]

/** Compiles one of the objects; its path. */
export function compileObject(name: Programs): string {
  return compiled(join(root, 'bench', 'ebpf', 'bpf', `${name}.bpf.c`), name, '-O2')
}

/** Compiles the dataplane's own programs for size, and so into other instructions that do the same: another version of them. */
export function anotherVersion(): string {
  return compiled(join(root, 'packages', 'dataplane-ebpf', 'bpf', 'heddle.bpf.c'), 'other', '-Os')
}

function compiled(source: string, name: string, optimisation: '-O2' | '-Os'): string {
  mkdirSync(OUT, { recursive: true })
  const object = join(OUT, `${name}.bpf.o`)
  const headers = `/usr/include/${execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim()}-linux-gnu`
  // Of the dataplane's headers an object uses what it needs.
  const warnings = ['-Wall', '-Werror', '-Wno-unused-function']
  execFileSync('clang', [optimisation, '-g', ...warnings, '-mcpu=v3', '-target', 'bpf', `-I${headers}`, '-c', source, '-o', object])
  return object
}

/** Compiles and loads one of the objects. @param pins directory whose maps it uses */
export function loadObject(name: Programs, pins?: string): LoadedObject {
  const native = require(`@heddle/dataplane-ebpf-linux-${process.arch}-gnu`) as Native
  return native.objectLoad(readFileSync(compileObject(name)), {}, pins)
}

/** Words as little-endian octets: keys and values of maps. */
export function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer)
}
