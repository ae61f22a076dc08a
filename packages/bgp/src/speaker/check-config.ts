import type { SpeakerConfig } from './config.js'
import { DynamicNeighbors } from './peer/dynamic-neighbors.js'
import { peerConfig, speakerIdentity } from './peer/peer-config.js'
import { vrfsOf } from './table/vrf-config.js'

/**
 * Whether a speaker can be made of `config`, without making one.
 *
 * @throws SpeakerError `speaker.config` naming the first value that cannot be used
 */
export function checkSpeakerConfig(config: SpeakerConfig): void {
  speakerIdentity(config)
  vrfsOf(config.vrfs ?? [])
  config.neighbors.forEach((neighbor, at) => peerConfig(neighbor, config, `neighbors[${at}]`))
  const ranges = config.dynamicNeighbors ?? []
  // its context is for peers that come, and none does
  const unused = (): never => {
    throw new TypeError('nobody connects while a configuration is checked')
  }
  void new DynamicNeighbors(ranges, { add: unused, remove: unused, later: unused })
  ranges.forEach(({ prefix, limit: _limit, ...template }, at) => {
    const address = prefix.slice(0, prefix.indexOf('/'))
    peerConfig({ ...template, address, passive: true }, config, `dynamicNeighbors[${at}]`)
  })
}
