/** Peers of one export group as bits of words: peer `n` is bit `n & 31` of word `n >>> 5`. */
export type PeerSet = Uint32Array

/** Words that a set of `peers` peers needs; at least one. */
export function peerSetWords(peers: number): number {
  return Math.max(1, (peers + 31) >>> 5)
}

export function addPeer(set: PeerSet, peer: number): void {
  set[peer >>> 5] |= 1 << (peer & 31)
}

export function removePeer(set: PeerSet, peer: number): void {
  set[peer >>> 5] &= ~(1 << (peer & 31))
}

export function hasPeer(set: PeerSet, peer: number): boolean {
  return (((set[peer >>> 5] ?? 0) >>> (peer & 31)) & 1) === 1
}

export function equalSets(a: PeerSet, b: PeerSet): boolean {
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}

/** The first peer of the set from `from` on; -1: there is none. */
export function nextPeer(set: PeerSet, from: number): number {
  let at = from >>> 5
  if (at >= set.length) return -1
  let word = set[at] & (-1 << (from & 31))
  while (word === 0) {
    if (++at === set.length) return -1
    word = set[at]
  }
  return at * 32 + 31 - Math.clz32(word & -word)
}
