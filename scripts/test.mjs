// npm test: every suite this machine can run; what it cannot run is listed by name and reason at the end.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ensureInstalled, requireNode, run, step, toolEnvironment, toolNode, toolScript, tryRun } from './lib/bootstrap.mjs'
import { root } from './lib/packages.mjs'
import { ensureNative } from './lib/native.mjs'
import { ensureSystemPackages, isRoot } from './lib/system-packages.mjs'

requireNode()
const args = process.argv.slice(2)
const install = !args.includes('--no-install')
const vitestArgs = args.filter((argument) => argument !== '--no-install')

ensureInstalled()
// The suites run the packages on other versions of Node, which come with the tools.
ensureInstalled(join(root, 'tools'))
const missing = ensureSystemPackages(
  [
    'iproute2',
    'iputils-ping',
    'ethtool',
    'iperf3',
    'frr',
    'gobgpd',
    'bird2',
    'openbgpd',
    'exabgp',
    'tshark',
    'bgpdump',
    'stayrtr',
    'containernetworking-plugins',
    'nftables',
    'dnsmasq-base',
    'iptables',
    'containerd',
    'runc',
    'podman',
    'openssl',
    'linux-libc-dev-arm64-cross',
  ],
  { install },
)
const native = ensureNative({ install })
const node = toolNode()
const env = toolEnvironment()

step('Building')
run(node, ['scripts/build.mjs'], { env })

step('Running the suites')
const report = join(root, 'out', 'tests.json')
mkdirSync(join(root, 'out'), { recursive: true })
rmSync(report, { force: true })
const status = tryRun(
  node,
  [toolScript('vitest', 'vitest'), 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...vitestArgs],
  { env },
)

step('What this machine could not run')
const skipped = existsSync(report) ? skippedTests(JSON.parse(readFileSync(report, 'utf8'))) : []
for (const name of missing) console.log(`  system package ${name}: not installed`)
if (native !== undefined) console.log(`  native parts: ${native}`)
if (process.platform === 'linux' && !isRoot()) console.log('  root: suites that make network namespaces')
for (const line of skipped) console.log(`  ${line}`)
if (missing.length + skipped.length === 0 && native === undefined) console.log('  nothing: every suite ran')
process.exit(status)

/** One line a group of skipped tests; the reason stands in the title. @param {any} results */
function skippedTests(results) {
  const groups = new Map()
  for (const { name, assertionResults } of results.testResults) {
    for (const { status, ancestorTitles, title } of assertionResults) {
      if (status !== 'skipped' && status !== 'pending' && status !== 'todo') continue
      const key = `${name.slice(root.length + 1)}: ${ancestorTitles.length > 0 ? ancestorTitles.join(' › ') : title}`
      groups.set(key, (groups.get(key) ?? 0) + 1)
    }
  }
  return [...groups].map(([key, count]) => `${key} (${count} test${count === 1 ? '' : 's'})`)
}
