import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BPF_OBJECT } from '../../src/bpf-object.js'

/** Compiled another way, the same sources are another version of the programs. */
export const hasClang = ((): boolean => {
  try {
    execFileSync('clang', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

/** The same sources, optimised for size: other instructions, which do the same. @returns path of the object, in a folder */
export function anotherVersion(folder: string): string {
  const source = fileURLToPath(new URL('heddle.bpf.c', BPF_OBJECT))
  const object = join(folder, 'other.bpf.o')
  const machine = execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim()
  const flags = ['-Os', '-g', '-mcpu=v3', '-target', 'bpf', `-I/usr/include/${machine}-linux-gnu`]
  execFileSync('clang', [...flags, '-c', source, '-o', object])
  return object
}
