import { expect, it, test } from 'vitest'
import { isLabelRange, labelVerdict } from './special-label.js'

// IANA "Special-Purpose MPLS Label Values".
it.each([
  [0, 'pop-to-ipv4'],
  [1, 'router-alert'],
  [2, 'pop-to-ipv6'],
  [3, 'implicit-null'],
  [4, 'unassigned'],
  [5, 'unassigned'],
  [6, 'unassigned'],
  [7, 'entropy-label-indicator'],
  [8, 'unassigned'],
  [9, 'unassigned'],
  [10, 'unassigned'],
  [11, 'unassigned'],
  [12, 'unassigned'],
  [13, 'generic-associated-channel'],
  [14, 'oam-alert'],
  [15, 'extension'],
  [16, 'look-up'],
  [0xfffff, 'look-up'],
])('a packet with label %d on top: %s', (label, verdict) => {
  expect(labelVerdict(label)).toBe(verdict)
})

test('a range of labels holds no special-purpose one and none of more than 20 bits', () => {
  expect(
    [
      [16, 16],
      [16, 0xfffff],
      [15, 20],
      [20, 19],
      [16, 0x100000],
      [16.5, 20],
    ].map(([first, last]) => isLabelRange({ first, last })),
  ).toEqual([true, true, false, false, false, false])
})
