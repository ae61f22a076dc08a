import { SpeakerNode, type World } from '@heddle/agent'
import { silentLogger } from '@heddle/io'
import { nodeClock, nodeRandom } from '@heddle/io/node'
import type { SpeakerDocument } from '../config/document.js'
import { resolveSpeaker } from '../config/resolve.js'
import { hostBfd } from './host-bfd.js'
import { hostRouterDiscovery } from './host-router-discovery.js'
import { checkFixed, reloaded } from './reload.js'
import type { RoleOptions, SpeakerHandle, SpeakerRoleOptions } from './role-handle.js'
import { MrtFiles } from './mrt-files.js'
import { bgpTransport } from './transport.js'

/**
 * Starts what `heddle speaker` runs: a BGP speaker without VRFs, such as a route reflector.
 *
 * @param document a configuration as `parseSpeaker` returns it
 * @throws SpeakerError `speaker.config`, `speaker.listen`; the system's error when the file of MRT updates cannot be opened
 */
export async function createSpeaker(document: SpeakerDocument, options: SpeakerRoleOptions = {}): Promise<SpeakerHandle> {
  const world = worldOf(options)
  const own = options.bfd === undefined ? hostBfd(world) : undefined
  const bfd = own ?? options.bfd
  const node = new SpeakerNode(resolveSpeaker(document), { ...world, ...(bfd && { bfd }) })
  await node.start()
  let mrt: MrtFiles
  try {
    mrt = await MrtFiles.start(document, node.speaker, world)
  } catch (error) {
    await node.stop()
    own?.close()
    throw error
  }
  const stop: SpeakerHandle['stop'] = async (how) => {
    await node.stop(how)
    own?.close()
    await mrt.stop()
  }
  return {
    role: 'speaker',
    name: node.name,
    get listening() {
      return node.listening
    },
    speaker: node.speaker,
    show: async (what) => node.show(what),
    async reload(next, { dryRun = false } = {}) {
      checkFixed(document, next, ['socket'])
      const config = resolveSpeaker(next)
      return reloaded({ next, dryRun, mrt, plan: () => node.plan(config), reconfigure: async () => node.reconfigure(config) })
    },
    stop,
    [Symbol.asyncDispose]: async () => stop(),
  }
}

/** `options` with the real parts where nothing is given. */
export function worldOf(options: RoleOptions): World {
  const { transport = bgpTransport(), clock = nodeClock, random = nodeRandom, logger = silentLogger } = options
  const { routerDiscovery = hostRouterDiscovery() } = options
  return { transport, clock, random, logger, routerDiscovery, now: Date.now }
}
