import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addPeer, nextPeer, peerSetWords } from './peer-set.js'

test('peers of a set are found one behind the other, from any of them on', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(95)), fc.integer({ min: 1, max: 3 }), fc.nat(100), (peers, words, from) => {
      const inReach = peers.filter((peer) => peerSetWords(peer + 1) <= words).sort((a, b) => a - b)
      const set = new Uint32Array(words)
      for (const peer of inReach) addPeer(set, peer)
      const found: number[] = []
      for (let peer = nextPeer(set, from); peer >= 0; peer = nextPeer(set, peer + 1)) found.push(peer)
      expect(found).toEqual(inReach.filter((peer) => peer >= from))
    }),
  )
})
