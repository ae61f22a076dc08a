import { expect, it } from 'vitest'
import { brief } from './brief.js'

it.each([
  [{ origin: 'igp', asPath: [], localPref: 100 }, 'origin igp, localPref 100'],
  [
    {
      asPath: [{ type: 'sequence', asns: [65001, 65002] }],
      extendedCommunities: [
        { kind: 'route-target', target: '65000:1' },
        { kind: 'encapsulation', tunnelType: 13 },
        { kind: 'mac-mobility', sequence: 2, sticky: false },
      ],
    },
    'asPath [sequence [65001, 65002]], extendedCommunities [route-target 65000:1, encapsulation 13, mac-mobility sequence 2 sticky false]',
  ],
  [{ gracefulRestart: { restartTime: 120 }, policy: null }, 'gracefulRestart {restartTime 120}, policy null'],
  [['a', 1], '[a, 1]'],
  ['text', 'text'],
])('says %j in words', (value, words) => {
  expect(brief(value)).toBe(words)
})
