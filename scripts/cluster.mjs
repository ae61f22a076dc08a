// npm run cluster: a Kubernetes of two nodes whose pods are attached by the plugin. Builds Kubernetes the first time, then runs test/cluster.test.ts.
//
//   npm run cluster              build what is missing, then the suite
//   npm run cluster -- --build   build what is missing
import { ensureInstalled, requireNode, run, step, toolEnvironment, toolNode, toolScript } from './lib/bootstrap.mjs'
import { buildCluster, clusterFolder } from './lib/cluster-programs.mjs'
import { ensureNative } from './lib/native.mjs'
import { ensureSystemPackages, isRoot } from './lib/system-packages.mjs'

requireNode()
ensureInstalled()
const reason = buildCluster()
if (reason !== undefined) {
  console.error(`no cluster: ${reason}`)
  process.exit(1)
}
console.log(`Kubernetes is in ${clusterFolder}`)
if (!process.argv.includes('--build')) {
  if (!isRoot()) {
    console.error('no cluster: nodes are made of namespaces, which takes root')
    process.exit(1)
  }
  ensureSystemPackages(['iproute2', 'iputils-ping', 'frr', 'containernetworking-plugins', 'containerd', 'runc', 'nftables', 'openssl'], {
    install: true,
  })
  ensureNative({ install: true })
  const env = toolEnvironment()
  step('Building')
  run(toolNode(), ['scripts/build.mjs'], { env })
  step('Running the cluster')
  run(toolNode(), [toolScript('vitest', 'vitest'), 'run', 'test/cluster.test.ts'], { env })
}
