import { SpeakerNode, type World } from '@heddle/agent'
import { silentLogger } from '@heddle/io'
import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import type { SpeakerDocument } from '../config/document.js'
import { resolveSpeaker } from '../config/resolve.js'
import { checkFixed } from './fixed-keys.js'
import type { RoleOptions, SpeakerHandle } from './role-handle.js'

/**
 * Starts what `heddle speaker` runs: a BGP speaker without VRFs, such as a route reflector.
 *
 * @param document a configuration as `parseSpeaker` returns it
 * @throws SpeakerError `speaker.config`, `speaker.listen`
 */
export async function createSpeaker(document: SpeakerDocument, options: RoleOptions = {}): Promise<SpeakerHandle> {
  const node = new SpeakerNode(resolveSpeaker(document), worldOf(options))
  await node.start()
  return {
    role: 'speaker',
    name: node.name,
    listening: node.listening,
    speaker: node.speaker,
    show: async (what) => node.show(what),
    async reload(next, { dryRun = false } = {}) {
      checkFixed(document, next, ['socket'])
      const config = resolveSpeaker(next)
      return dryRun ? node.plan(config) : node.reconfigure(config)
    },
    stop: async (how) => node.stop(how),
    [Symbol.asyncDispose]: async () => node.stop(),
  }
}

/** `options` with the real parts where nothing is given. */
export function worldOf(options: RoleOptions): World {
  const { transport = nodeTcpTransport(), clock = nodeClock, random = nodeRandom, logger = silentLogger } = options
  return { transport, clock, random, logger }
}
