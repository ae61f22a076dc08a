import { bytes } from './cve-cases.js'

/**
 * One attribute a row: type/flags/value and what becomes of the UPDATE that has it, for an eBGP peer, an eBGP peer of one administration (not
 * told apart here) and an iBGP peer. W treat as withdraw, D discard the attribute and keep the route, R reset the session, · not applicable;
 * ∅ is no octets. 254/c0 is unknown and transitive: it is kept, octet for octet.
 */
const TABLE = `
1/c0/00 WWW
1/60/00 WWW
1/40/∅ WWW
1/40/0000 WWW
1/40/03 WWW
1/40/04 WWW
1/40/ff WWW
2/c0/02010000fde9 WWW
2/60/02010000fde9 WWW
2/40/00010000fde9 WWW
2/40/05010000fde9 WWW
2/40/0200 WWW
2/40/02ff0000fde9 WWW
2/40/020100000000 WWW
2/40/03010000fdf4 WW·
2/40/04010000fdf4 WW·
3/40/00000000 WWW
3/40/7f000001 WWW
3/40/e0000001 WWW
3/40/∅ WWW
3/40/0a WWW
3/40/0a00 WWW
3/40/0a0000 WWW
3/40/0a00000200 WWW
4/c0/0000000a WWW
4/80/000000 WWW
4/80/000000000a WWW
4/80/∅ WWW
5/40/000000 ··W
5/40/0000000064 ··W
5/40/∅ ··W
5/c0/00000064 ··W
8/80/ffff0001 WWW
8/c0/∅ WWW
8/c0/ffff000100 WWW
9/80/0a0000 DDW
9/80/0a00000200 DDW
9/c0/0a000002 WWW
10/80/∅ DDW
10/80/0a00000200 DDW
10/c0/0a000002 WWW
16/80/0002fde900000001 WWW
16/c0/∅ WWW
16/c0/0002fde90000000100 WWW
17/80/020100010001 WWW
17/c0/000100010001 WWW
22/80/00060000000a000002 WWW
22/c0/00060000 WWW
22/c0/00080000000a000002 WWW
22/c0/00ff0000000a000002 WWW
22/c0/00060000000a00000200 WWW
23/80/00070000 WWW
23/c0/000700 WWW
23/c0/0007000401 WWW
23/c0/0007000401ff WWW
25/80/000220010db80000000000000000000000010001 WWW
25/c0/∅ WWW
25/c0/000220010db8000000000000000000000001000100 WWW
32/80/0000fde90000000100000002 WWW
32/c0/∅ WWW
32/c0/0000fde9000000010000000200 WWW
35/80/0000fde9 WWW
35/c0/0000fd WWW
35/c0/0000fde900 WWW
35/c0/00000000 WWW
14/80/0002010920010db80000000000004020010db800000001 RRR
14/80/0002014020010db800000000000000000000000100 RRR
14/80/0002011020010db800000000 RRR
15/80/0002014020010db8 RRR
6/40/00 DDD
7/c0/0000fde90a DDD
7/c0/0000fde90a0000 DDD
7/c0/0000fde90a00000200 DDD
7/c0/000000000a000002 DDD
18/c0/0000fde90a0000 DDD
18/c0/0000fde90a00000200 DDD
26/c0/01000b0000000000000000000a DDD
26/80/09000b0000000000000000000a ·DD
26/80/0100050000000000000000000a ·DD
26/80/∅ ·DD
40/80/010007000000000001 DDD
40/c0/0100ff000000 DDD
40/c0/0100 DDD
40/c0/010000 DDD
29/c0/0400000100 DDD
29/80/040000ff00 DDD
29/80/0400 DDD
29/80/∅ DDD
36/c0/∅ WWW
36/c0/00 WWW
36/c0/020000fde8000146 WWW
36/80/010000fde8000146 WWW
38/c0/∅ DDD
38/c0/0100000005 DDD
38/c0/01000000050105c0000201 DDD
38/80/01000000050104c0000201 DDD
40/c0/∅ DDD
40/c0/050004000100ff DDD
40/c0/0100080000000000000064 DDD
40/c0/03000900000000ffff000000 DDD
39/c0/00ff010001000100 DDD
39/c0/0001010001ff00 DDD
253/80/deadbeef DDD
254/c0/deadbeef DDD`

/** What becomes of an attribute from a peer of one type. */
export interface AttributeCase {
  readonly attribute: string
  readonly type: number
  readonly flags: string
  readonly value: string
  readonly peerType: 'ebgp' | 'ibgp'
  readonly outcome: string
}

/** The table, a row a peer type. */
export const ATTRIBUTE_CASES: readonly AttributeCase[] = TABLE.trim()
  .split('\n')
  .flatMap((line) => {
    const [attribute = '', outcomes = ''] = line.split(' ')
    const [type = '', flags = '', value = ''] = attribute.split('/')
    const [ebgp = '', , ibgp = ''] = outcomes
    return (
      [
        ['ebgp', ebgp],
        ['ibgp', ibgp],
      ] as const
    )
      .filter(([, outcome]) => outcome !== '·')
      .map(([peerType, outcome]) => ({ attribute, type: Number(type), flags, value: value === '∅' ? '' : value, peerType, outcome }))
  })

/** Well-formed companions; the one of the row's type makes room for it. */
const MANDATORY: readonly [type: number, bytes: string][] = [
  [1, '40010100'],
  [2, '4002060201000000c8'],
  [3, '4003040a000001'],
]

/** The attributes of an UPDATE with the row's own, behind those that every route has. */
export function attributesOf({ type, flags, value }: Pick<AttributeCase, 'type' | 'flags' | 'value'>): {
  readonly own: string
  readonly all: string
} {
  const own = flags + octet(type) + octet(value.length / 2) + value
  const others = MANDATORY.filter(([other]) => other !== type).map(([, bytes]) => bytes)
  return { own, all: others.join('') + own }
}

function octet(value: number): string {
  return value.toString(16).padStart(2, '0')
}

/** An UPDATE of fields in hexadecimal digits. */
export function update(withdrawn: string, attributes: string, nlri: string): Uint8Array {
  const u16 = (value: number): string => value.toString(16).padStart(4, '0')
  const body = u16(withdrawn.length / 2) + withdrawn + u16(attributes.length / 2) + attributes + nlri
  return bytes('ff'.repeat(16) + u16(19 + body.length / 2) + '02' + body)
}
