import { describe, expect, it } from 'vitest'
import { decodeMessage, strongestHandling, type DecodeOptions, type ErrorHandling } from '../index.js'

const MARKER = 'ff'.repeat(16)
const ORIGIN = '40010100'
const AS_PATH = '4002060201000000c8'
const NEXT_HOP = '4003040a000001'
const MANDATORY = ORIGIN + AS_PATH + NEXT_HOP
const ROUTE = '18c00002'

/** Octets that once crashed or flapped a router, with what must become of them instead. Those marked (m) are reconstructed from a description. */
const cases: readonly {
  readonly name: string
  readonly hex: string
  readonly handling: ErrorHandling | 'accept'
  readonly notification?: { code: number; subcode: number }
  readonly options?: DecodeOptions
}[] = [
  {
    name: 'CVE-2022-40302: extended optional parameters whose lengths lie',
    hex: `${MARKER}00220104dead0005c0a83901ffff00020001`,
    handling: 'session-reset',
    notification: { code: 2, subcode: 0 },
  },
  {
    name: 'CVE-2022-43681: OPEN that ends on the option length octet',
    hex: `${MARKER}001d0104dead00deadbeef6bff`,
    handling: 'session-reset',
    notification: { code: 2, subcode: 0 },
  },
  {
    name: 'CVE-2022-36440 (m): four-octet AS capability cut off',
    hex: open('02044104', '0000'),
    handling: 'session-reset',
    notification: { code: 2, subcode: 0 },
  },
  {
    name: 'CVE-2022-37032 (m): dynamic CAPABILITY message',
    hex: `${MARKER}001406ff`,
    handling: 'session-reset',
    notification: { code: 1, subcode: 3 },
  },
  { name: 'CVE-2023-31489 (m): long-lived graceful restart capability of 3 octets', hex: open('0205', '4703000101'), handling: 'ignore' },
  {
    name: 'CVE-2023-38406, BIRD 3.3.2: FlowSpec NLRI of length zero',
    hex: update('', `${MANDATORY}800e06000185000000`, ''),
    handling: 'session-reset',
  },
  {
    name: 'CVE-2023-38407 (m): labeled unicast label stack beyond the field',
    hex: update('', `${ORIGIN}${AS_PATH}800e0f00010404c0000201003800010000ff`, ''),
    handling: 'session-reset',
  },
  {
    name: 'CVE-2023-38802: tunnel encapsulation attribute with a sub-TLV beyond its end',
    hex: update('', `${MANDATORY}c017080008000401ff0000`, ROUTE),
    handling: 'treat-as-withdraw',
  },
  {
    name: 'CVE-2023-38802: entropy label attribute (28) with content is passed on',
    hex: update('', `${MANDATORY}e01c0101`, ROUTE),
    handling: 'accept',
  },
  { name: 'CVE-2023-41358: routes without attributes', hex: update('', '', ROUTE), handling: 'treat-as-withdraw' },
  {
    name: 'CVE-2023-41359: AIGP of one octet',
    hex: update('', `${MANDATORY}801a0101`, ROUTE),
    handling: 'attribute-discard',
    options: { peerType: 'ibgp' },
  },
  { name: 'CVE-2023-41360 (m): outbound route filter capability without content', hex: open('0202', '0300'), handling: 'ignore' },
  { name: 'CVE-2023-41361 (m): software version longer than its capability', hex: open('0205', '4b03ff4142'), handling: 'ignore' },
  {
    name: 'CVE-2023-46752: MP_REACH_NLRI too short for its own head',
    hex: update('', `${ORIGIN}${AS_PATH}800e03000201`, ''),
    handling: 'session-reset',
  },
  {
    name: 'CVE-2023-46753: nothing but an unknown attribute',
    hex: `${MARKER}003c0200000014ff1f001000040146464646460004464646464646664646f50d05800100010200ffff000000`,
    handling: 'session-reset',
  },
  {
    name: 'CVE-2023-47234: MP_UNREACH_NLRI and a route without mandatory attributes',
    hex: update('', '800f0400020100', ROUTE),
    handling: 'treat-as-withdraw',
  },
  {
    name: 'CVE-2023-47235: malformed End-of-RIB: its NLRI has a prefix of 235 bits, which nothing can withdraw',
    hex: `${MARKER}002b0200000003c0ff00010100eb00ac100b0b001ad908ac100b0b`,
    handling: 'session-reset',
    notification: { code: 3, subcode: 10 },
  },
  {
    name: 'CVE-2024-31948 (m): Prefix-SID TLV that ends in its head',
    hex: update('', `${MANDATORY}c0280403000100`, ROUTE),
    handling: 'attribute-discard',
  },
  {
    name: 'CVE-2024-44070: tunnel longer than its attribute',
    hex: update('', `${MANDATORY}c01706000d00ff0102`, ROUTE),
    handling: 'treat-as-withdraw',
  },
  { name: 'CVE-2025-43971 (m): software version of length zero', hex: open('0202', '4b00'), handling: 'ignore' },
  {
    name: 'Prefix-SID filled with zeros, 2025-05-20',
    hex: update('', `${MANDATORY}c0280a00000000000000000000`, ROUTE),
    handling: 'attribute-discard',
  },
  ...['', '0a', '0a00', '0a0000'].map((hop) => ({
    name: `CVE-2026-30405: NEXT_HOP of ${hop.length / 2} octets`,
    hex: update('', `${ORIGIN}${AS_PATH}4003${octet(hop.length / 2)}${hop}`, ROUTE),
    handling: 'treat-as-withdraw' as const,
  })),
  {
    name: 'CVE-2026-41643: AS4_PATH ahead of AS_PATH',
    hex: update('', `${ORIGIN}${NEXT_HOP}40110102400204ffffdead`, ROUTE),
    handling: 'treat-as-withdraw',
    options: { asn4: false },
  },
  {
    name: 'CVE-2026-41642: unknown attribute flagged well-known',
    hex: update('', `${MANDATORY}40c80101`, ROUTE),
    handling: 'session-reset',
    notification: { code: 3, subcode: 2 },
  },
  {
    name: 'CVE-2026-42285: attribute lengths that do not add up',
    hex: update('', `${MANDATORY}80040500000001`, ROUTE),
    handling: 'treat-as-withdraw',
  },
  {
    name: 'CVE-2026-37461 (m): IPv6 extended communities of 19 octets',
    hex: update('', `${MANDATORY}c01913${'00'.repeat(19)}`, ROUTE),
    handling: 'treat-as-withdraw',
  },
  { name: 'CVE-2026-37462 (m): withdrawn routes longer than the message', hex: frame('02', `ffff0000${ROUTE}`), handling: 'session-reset' },
  {
    name: 'CVE-2026-7734 (m): SRv6 service TLV with a SID cut off',
    hex: update('', `${MANDATORY}c02809050006000100020000`, ROUTE),
    handling: 'attribute-discard',
  },
  { name: 'GHSA-gjrg-jjr3-56cm: multiprotocol capability of length zero', hex: open('0204', '01000200'), handling: 'ignore' },
  {
    name: 'CVE-2024-31949 (m): dynamic CAPABILITY message without content',
    hex: frame('06', ''),
    handling: 'session-reset',
    notification: { code: 1, subcode: 3 },
  },
  {
    name: 'CVE-2026-49943: AS_PATH of 16,065 AS numbers',
    hex: update('', `${ORIGIN}5002fb82${`02ff${'0000fde8'.repeat(255)}`.repeat(63)}${NEXT_HOP}`, ROUTE),
    handling: 'accept',
  },
  {
    name: 'OpenBGPD 2026-05: more than 255 attributes',
    hex: update('', `${MANDATORY}${'c0c800'.repeat(300)}`, ROUTE),
    handling: 'attribute-discard',
  },
  {
    name: 'FRR issue 22563: ORIGIN that claims 32 octets, no route to withdraw',
    hex: update('', '40012000', ''),
    handling: 'session-reset',
  },
]

describe.each(cases)('$name', ({ hex, handling, notification, options }) => {
  it(`means ${handling}`, () => {
    const result = decodeMessage(bytes(hex), options)
    if (handling === 'session-reset') {
      expect(result).toMatchObject({ ok: false, error: { handling, ...(notification === undefined ? {} : { notification }) } })
    } else {
      if (!result.ok) expect.unreachable(JSON.stringify(result.error))
      expect(strongestHandling(result.errors) ?? 'accept').toBe(handling)
    }
  })

  it('stays a value or an error however it is cut', () => {
    const whole = bytes(hex)
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.slice(0, length)
      expect(decodeMessage(cut, options).ok).toBe(false)
      if (length < 19) continue
      cut[16] = length >>> 8
      cut[17] = length & 0xff
      decodeMessage(cut, options)
    }
  })
})

function octet(value: number): string {
  return value.toString(16).padStart(2, '0')
}

function u16(value: number): string {
  return value.toString(16).padStart(4, '0')
}

function frame(type: string, body: string): string {
  return MARKER + u16(19 + body.length / 2) + type + body
}

function update(withdrawn: string, attributes: string, nlri: string): string {
  return frame('02', u16(withdrawn.length / 2) + withdrawn + u16(attributes.length / 2) + attributes + nlri)
}

/** OPEN with optional parameters whose head is `head`. */
function open(head: string, rest: string): string {
  const parameters = head + rest
  return frame('01', `04fde800b4c0000201${octet(parameters.length / 2)}${parameters}`)
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
