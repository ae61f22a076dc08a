import type { ByteReader } from '@heddle/wire'

/**
 * MPLS label stack (RFC 3032 §2.1): entries of four octets, the last one marked.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                 Label                 | TC  |S|      TTL      |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface LabelStackEntry {
  /** 0–1,048,575; 0–15 are special-purpose (RFC 7274). */
  readonly label: number
  /** Traffic class, 0–7 (RFC 5462). */
  readonly trafficClass: number
  /** Hops left, 0–255. */
  readonly ttl: number
}

/** Octets of an entry. */
export const LABEL_STACK_ENTRY_SIZE = 4

/** Octets that `encodeLabelStack` writes. */
export function labelStackSize(stack: readonly LabelStackEntry[]): number {
  return stack.length * LABEL_STACK_ENTRY_SIZE
}

/** Writes `stack`, top first, at `offset`; returns the offset behind it. */
export function encodeLabelStack(stack: readonly LabelStackEntry[], out: DataView, offset: number): number {
  const bottom = stack.length - 1
  stack.forEach(({ label, trafficClass, ttl }, depth) => {
    out.setUint32(offset + depth * LABEL_STACK_ENTRY_SIZE, labelStackWord(label, trafficClass, depth === bottom, ttl))
  })
  return offset + labelStackSize(stack)
}

/**
 * Reads entries, top first, up to and including the one that has S set. Any depth; the container is the bound.
 *
 * @throws WireError `wire.truncated` when the container ends before the bottom of the stack
 */
export function decodeLabelStack(input: ByteReader): LabelStackEntry[] {
  const stack: LabelStackEntry[] = []
  for (;;) {
    const word = input.u32()
    stack.push({ label: labelOf(word), trafficClass: trafficClassOf(word), ttl: ttlOf(word) })
    if (isBottom(word)) return stack
  }
}

/* The hot path never makes an entry: it reads the word and asks. */

/** An entry as an unsigned word. */
export function labelStackWord(label: number, trafficClass: number, bottom: boolean, ttl: number): number {
  return ((label << 12) | (trafficClass << 9) | (bottom ? 0x100 : 0) | ttl) >>> 0
}

/** The entry at `at` as an unsigned word. */
export function labelStackWordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}

/** Writes an entry, as a word, at `at`. */
export function setLabelStackWordAt(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word >>> 24
  bytes[at + 1] = word >>> 16
  bytes[at + 2] = word >>> 8
  bytes[at + 3] = word
}

/** 0–1,048,575. */
export function labelOf(word: number): number {
  return word >>> 12
}

/** 0–7. */
export function trafficClassOf(word: number): number {
  return (word >>> 9) & 0x7
}

/** Whether an entry, as a word, is the last of its stack. */
export function isBottom(word: number): boolean {
  return (word & 0x100) !== 0
}

/** 0–255. */
export function ttlOf(word: number): number {
  return word & 0xff
}

/** Entries of the stack at `at`, the bottom one included; -1 when there is no bottom before `end`. */
export function labelStackDepth(bytes: Uint8Array, at: number, end: number): number {
  for (let entry = at; entry + LABEL_STACK_ENTRY_SIZE <= end; entry += LABEL_STACK_ENTRY_SIZE) {
    if ((bytes[entry + 2] & 1) === 1) return (entry - at) / LABEL_STACK_ENTRY_SIZE + 1
  }
  return -1
}
