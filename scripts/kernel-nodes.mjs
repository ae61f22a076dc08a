// Prints what the demo is asked for where this machine has what forwarding in the kernel takes: one node that does; else nothing, and why.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './lib/packages.mjs'
import { isRoot } from './lib/system-packages.mjs'

const lacking = await lack()
if (lacking === '') console.log('--ebpf cloud-b')
else console.error(`All nodes of the demo forward by TUN: forwarding in the kernel needs ${lacking}`)

async function lack() {
  if (process.platform !== 'linux') return 'Linux'
  if (!isRoot()) return 'root'
  if (!existsSync(join(root, 'packages/dataplane-ebpf/bpf/heddle.bpf.o')))
    return 'the BPF programs, which clang compiles: npm run build:native'
  const { ebpfFeatures } = await import('@heddle/dataplane-ebpf')
  try {
    return ebpfFeatures()
      .filter(({ available, optional }) => !available && !optional)
      .map(({ name, minimumKernel, reason }) => `${name} (Linux ${minimumKernel}): ${reason}`)
      .join('; ')
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
