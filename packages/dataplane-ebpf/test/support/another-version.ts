import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BPF_OBJECT } from '../../src/bpf-object.js'
import { LAYOUT_VERSION } from '../../src/layout/structs/config.js'
import { call } from '../../src/native/call.js'

export const hasClang = ((): boolean => {
  try {
    execFileSync('clang', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

/** Programs that packets come to, of each version. */
const COUNTED = ['egress', 'ingress', 'across'] as const
const COUNTS = 'later_counts'
/** A map that only the later version has, and what its programs do with it first of all. */
const LATER = `
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ${COUNTED.length});
	__type(key, __u32);
	__type(value, __u64);
} ${COUNTS} SEC(".maps");

static __always_inline void count_later(__u32 program)
{
	__u64 *count = bpf_map_lookup_elem(&${COUNTS}, &program);

	if (count)
		__sync_fetch_and_add(count, 1);
}
`

/**
 * A later version of the programs: they count in a map that today's do not know, and all else is compiled for size, to other instructions that do the same.
 *
 * @returns path of the object, in a folder
 */
export function anotherVersion(folder: string): string {
  const sources = join(folder, 'later')
  mkdirSync(sources)
  cpSync(fileURLToPath(new URL('.', BPF_OBJECT)), sources, { recursive: true })
  edit(join(sources, 'maps.h'), (text) => text + LATER)
  for (const [index, program] of COUNTED.entries()) {
    edit(join(sources, `${program}.bpf.c`), (text) =>
      text.replace(new RegExp(`^int ${program}\\(.*\\)\n\\{\n`, 'm'), `$&\tcount_later(${index});\n`),
    )
  }
  const object = join(folder, 'later.bpf.o')
  const machine = execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim()
  const flags = ['-Os', '-g', '-mcpu=v3', '-target', 'bpf', `-I/usr/include/${machine}-linux-gnu`]
  execFileSync('clang', [...flags, '-c', join(sources, 'heddle.bpf.c'), '-o', object])
  return object
}

function edit(path: string, change: (text: string) => string): void {
  const before = readFileSync(path, 'utf8')
  const after = change(before)
  if (after === before) throw new Error(`nothing was changed in ${path}`)
  writeFileSync(path, after)
}

/** Packets that programs of the later version have seen, by what it has pinned. @param directory of pins */
export function seenByLater(directory: string): Readonly<Record<(typeof COUNTED)[number], number>> {
  const object = call((native) => native.objectOpen(join(directory, `layout-${LAYOUT_VERSION}`), [COUNTS]))
  const count = (index: number): number => {
    const value = object.lookup(COUNTS, new Uint8Array(Uint32Array.of(index).buffer))
    return value === null ? 0 : Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0, true))
  }
  try {
    return { egress: count(0), ingress: count(1), across: count(2) }
  } finally {
    object.close()
  }
}
