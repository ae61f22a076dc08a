import { Agent } from '@heddle/agent'
import { silentLogger } from '@heddle/io'
import type { NodeDocument } from '../config/document.js'
import { resolveNode } from '../config/resolve.js'
import { worldOf } from './create-speaker.js'
import { startCni, type RunningCni } from './cni-plugin.js'
import { chooseDataplane } from './dataplane-source.js'
import { explainPacket } from './explain.js'
import { isOnLink } from './host-bfd.js'
import { hostProbe } from './host-probe.js'
import { checkFixed, reloaded } from './reload.js'
import { MrtFiles } from './mrt-files.js'
import type { NodeHandle, NodeOptions } from './role-handle.js'

/**
 * Starts what `heddle node` runs, in this process: BGP, the model, and the dataplane that the configuration names. Resolves when it serves.
 *
 * @param document a configuration as `parseNode` returns it
 * @throws SpeakerError, DataplaneError, IntentError; then nothing of it is left. StoreError, CniServeError, CniError, EndpointError when the plugin cannot
 * be served; then what was forwarded before is forwarded still
 */
export async function createNode(document: NodeDocument, options: NodeOptions = {}): Promise<NodeHandle> {
  const { logger = silentLogger } = options
  const { source, underlayMtu } =
    options.dataplane === undefined
      ? await chooseDataplane(document, logger)
      : { source: options.dataplane, underlayMtu: document.dataplane?.underlayMtu }
  const config = (from: NodeDocument): ReturnType<typeof resolveNode> => resolveNode(from, underlayMtu === undefined ? {} : { underlayMtu })
  const world = worldOf(options)
  // Endpoints in memory have no namespaces.
  const probe = document.dataplane?.kind === 'memory' ? {} : { probe: hostProbe }
  const agent = await Agent.start({ ...world, ...probe, isOnLink, config: config(document), dataplane: source })
  let cni: RunningCni
  let mrt: MrtFiles | undefined
  try {
    mrt = await MrtFiles.start(document, agent.speaker, { clock: world.clock, logger })
    cni = await startCni(document, {
      endpoints: agent.endpoints,
      capabilities: agent.capabilities,
      clock: world.clock,
      logger,
      metrics: () => agent.metrics(),
      notReady: () => (agent.dataplaneLost === undefined ? undefined : { code: 51, reason: agent.dataplaneLost }),
    })
  } catch (error) {
    await mrt?.stop()
    // Pods of a process before this one must not pay for it.
    await agent.stop({ restart: agent.endpoints.list().length > 0 })
    throw error
  }
  const stop: NodeHandle['stop'] = async (how) => {
    await cni.stop()
    await agent.stop(how)
    await mrt.stop()
  }
  return {
    role: 'node',
    name: agent.name,
    get listening() {
      return agent.listening
    },
    speaker: agent.speaker,
    endpoints: agent.endpoints,
    metrics: () => agent.metrics() + cni.metrics(),
    show: async (what) => agent.show(what),
    trace: (intent, signal) => agent.trace(intent, signal),
    capture: (request, signal) => agent.capture(request, signal),
    endpointAt: (port) => agent.endpointAt(port),
    explain: async (request) => explainPacket(request, await agent.state(), agent.capabilities),
    async reload(next, { dryRun = false } = {}) {
      checkFixed(document, next, ['socket', 'dataplane', 'cni'])
      const wanted = config(next)
      return reloaded({ next, dryRun, mrt, plan: () => agent.plan(wanted), reconfigure: async () => agent.reconfigure(wanted) })
    },
    stop,
    [Symbol.asyncDispose]: async () => stop(),
  }
}
