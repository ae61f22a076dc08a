// npm run demo: sets up what is missing, builds, and runs the main job on the best that this machine can give.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ensureInstalled, requireNode, toolNode } from './lib/bootstrap.mjs'
import { ensureBuilt } from './lib/built.mjs'
import { ensureNative } from './lib/native.mjs'
import { root } from './lib/packages.mjs'
import { ensureSystemPackages, isRoot, works } from './lib/system-packages.mjs'

const KNOWN = ['--memory', '--real', '--keep', '--clean', '--no-install', '--json']

requireNode()
const args = process.argv.slice(2)
const kernel = args.indexOf('--ebpf')
const nodes = kernel < 0 ? [] : args.splice(kernel, 2)
const unknown = args.filter((argument) => !KNOWN.includes(argument))
const isMissingNodes = kernel >= 0 && (nodes[1] ?? '--').startsWith('--')
if (unknown.length > 0 || isMissingNodes || (args.includes('--memory') && (args.includes('--real') || nodes.length > 0))) {
  console.error(`usage: npm run demo -- [${KNOWN.join(' | ')} | --ebpf NODES]
  --ebpf NODES  nodes that forward in the kernel instead of by TUN (cloud-a, cloud-b, dc-c), with commas between; on real parts only, as root`)
  process.exit(2)
}

ensureInstalled()
const memory = args.includes('--memory')
if (!memory && process.platform === 'linux') {
  const install = !args.includes('--no-install')
  ensureSystemPackages(['iproute2', 'iputils-ping', 'ethtool', 'frr', 'tshark'], { install })
  ensureNative({ install })
}
ensureBuilt()

const node = process.platform === 'linux' ? toolNode() : process.execPath
const command = [
  node,
  join(root, 'packages', 'heddle', 'bin', 'heddle.js'),
  'lab',
  '--out',
  join(root, 'out'),
  ...args.filter((argument) => argument !== '--no-install'),
  ...nodes,
]
if (!memory && process.platform === 'linux' && !isRoot() && userNamespaces()) {
  // A user namespace makes this user root over namespaces of its own; /run is replaced there, so that nothing of the host's is touched.
  console.error('Not root: running in a user namespace (unshare -Urnm).')
  command.unshift('unshare', '-Urnm', 'sh', '-c', 'mount -t tmpfs tmpfs /run && exec "$@"', 'sh')
}

// The demo cleans up on Ctrl-C by itself; here one only waits for it.
const child = spawn(command[0], command.slice(1), { cwd: root, stdio: 'inherit' })
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => signal === 'SIGTERM' && child.kill(signal))
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))

function userNamespaces() {
  return (
    existsSync('/usr/bin/unshare') &&
    works('unshare', ['-Urnm', 'sh', '-c', 'mount -t tmpfs tmpfs /run']) &&
    spawnSync('ip', ['-V']).status === 0
  )
}
