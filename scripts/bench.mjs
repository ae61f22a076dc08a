// npm run bench:NAME -- [--quick] [--part PART] [--only PARTICIPANT]: sets up what is missing, builds, and runs bench/NAME/main.ts (bench/README.md).
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { ensureInstalled, requireNode, toolEnvironment, toolNode } from './lib/bootstrap.mjs'
import { ensureBuilt } from './lib/built.mjs'
import { ensureNative, staleParts } from './lib/native.mjs'
import { root } from './lib/packages.mjs'
import { ensureSystemPackages } from './lib/system-packages.mjs'

/**
 * What a bench needs beyond the built packages: Debian packages of its rivals and instruments, and whether it needs the native parts, and BPF programs.
 * @type {Record<string, { system?: Parameters<typeof ensureSystemPackages>[0], native?: boolean, bpf?: boolean } | undefined>}
 */
const NEEDS = {
  tun: { system: ['iproute2', 'iputils-ping', 'ethtool'], native: true },
  ebpf: { system: ['clang', 'libbpf-dev', 'ethtool', 'frr', 'iperf3'], native: true, bpf: true },
  cni: { system: ['iproute2', 'containernetworking-plugins'], native: true },
  bgp: { system: ['frr', 'gobgpd', 'bird2'] },
}

requireNode()
const [name = '', ...args] = process.argv.slice(2)
const main = join(root, 'bench', name, 'main.ts')
if (name === '' || !existsSync(main)) {
  console.error(`usage: node scripts/bench.mjs NAME [--quick] [--part PART] [--only PARTICIPANT]; no bench/${name}/main.ts`)
  process.exit(2)
}
ensureInstalled()
const install = !args.includes('--no-install')
const { system = [], native = false, bpf = false } = NEEDS[name] ?? {}
ensureSystemPackages(system, { install })
if (native) {
  const lacking = ensureNative({ install })
  if (lacking !== undefined) console.error(`native parts: ${lacking}`)
  const stale = staleParts(undefined, bpf ? undefined : '')
  if (stale.length > 0) {
    console.error(`nothing is measured, since it would be nothing of this commit: ${stale.join('; ')}`)
    process.exit(1)
  }
}
ensureBuilt()

// The bench cleans up on Ctrl-C by itself; here one only waits for it.
const child = spawn(toolNode(), [main, ...args.filter((argument) => argument !== '--no-install')], {
  cwd: root,
  env: toolEnvironment(),
  stdio: 'inherit',
})
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => signal === 'SIGTERM' && child.kill(signal))
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
