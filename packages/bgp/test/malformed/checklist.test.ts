import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

/**
 * Faults of other speakers, 2022 to 2026, each with a test of its own here: those in OPEN and UPDATE on the codec (`src/validate/cve.test.ts`) and in
 * a live session with sentinels (`live.test.ts`), the rest in `others.test.ts` and where the last column says.
 */
const CHECKLIST: readonly (readonly [id: string, whose: string, elsewhere?: string])[] = [
  ['CVE-2022-36440', 'FRR: four-octet AS capability cut off'],
  ['CVE-2022-37032', 'FRR: dynamic CAPABILITY message'],
  ['CVE-2022-40302', 'FRR: extended parameters whose lengths lie'],
  ['CVE-2022-40318', 'FRR: extended parameters that end early'],
  ['CVE-2022-43681', 'FRR: OPEN that ends on the option length'],
  ['CVE-2023-31489', 'FRR: LLGR capability length'],
  ['CVE-2023-31490', 'FRR: Prefix-SID sub-TLV length'],
  ['CVE-2023-38406', 'FRR: FlowSpec NLRI of length zero'],
  ['CVE-2023-38407', 'FRR: labeled unicast beyond the field'],
  ['CVE-2023-38802', 'FRR, and JunOS CVE-2023-4481, OpenBGPD CVE-2023-38283, EXOS CVE-2023-40457: tunnel encapsulation, entropy label'],
  ['CVE-2023-41358', 'FRR: routes without attributes'],
  ['CVE-2023-41359', 'FRR: AIGP of one octet'],
  ['CVE-2023-41360', 'FRR: ORF capability'],
  ['CVE-2023-41361', 'FRR: software version too long'],
  ['CVE-2023-41909', 'FRR: FlowSpec NLRI without a path'],
  ['CVE-2023-46752', 'FRR: malformed MP_REACH_NLRI'],
  ['CVE-2023-46753', 'FRR: only unknown attributes'],
  ['CVE-2023-47234', 'FRR: MP_UNREACH_NLRI and trailing NLRI'],
  ['CVE-2023-47235', 'FRR: malformed End-of-RIB'],
  ['CVE-2024-31948', 'FRR: Prefix-SID'],
  ['CVE-2024-31949', 'FRR: dynamic CAPABILITY loops'],
  ['CVE-2024-44070', 'FRR: tunnel TLV beyond the attribute'],
  ['CVE-2024-55553', 'FRR: any change of authorizations validates every route anew', '../speaker/rtr-client.test.ts'],
  ['CVE-2025-43970', 'GoBGP: MRT lengths'],
  ['CVE-2025-43971', 'GoBGP: software version of length zero; RTR lengths'],
  ['CVE-2025-59688', 'BIRD: NOTIFICATION at the wrong moment'],
  ['Prefix-SID filled with zeros, 2025-05-20', 'Arista EOS, JunOS'],
  ['CVE-2026-30405', 'GoBGP: NEXT_HOP of 0 to 3 octets'],
  ['CVE-2026-37457', 'FRR: FlowSpec with many operators'],
  ['CVE-2026-37459', 'FRR: next hop characteristics'],
  ['CVE-2026-37461', 'GoBGP: IPv6 extended communities'],
  ['CVE-2026-37462', 'GoBGP: length underflow'],
  ['CVE-2026-41642', 'GoBGP: unknown well-known attribute'],
  ['CVE-2026-41643', 'GoBGP: AS4_PATH ahead of AS_PATH'],
  ['CVE-2026-42285', 'GoBGP: inconsistent attribute lengths'],
  ['CVE-2026-49943', 'BIRD: AS_PATH of more than 2,048 ASes'],
  ['CVE-2026-7734', 'GoBGP: SRv6 service TLV'],
  ['CVE-2026-7737', 'GoBGP: BMP bodies'],
  ['GHSA-frrj-87jh-2772', 'GoBGP: empty AS_PATH in a confederation'],
  ['GHSA-gjrg-jjr3-56cm', 'GoBGP: capability of length zero'],
  ['BIRD 3.3.2', 'FlowSpec NLRI of length zero'],
  ['OpenBGPD 2026-05', 'RTR PDU shorter than its header, many attributes'],
  ['FRR issue 22563', 'ORIGIN that claims 32 octets'],
]

it('has a test for each fault that others had', () => {
  const here = readdirSync(import.meta.dirname).filter((name) => !name.startsWith('checklist'))
  const sources = here.map((name) => readFileSync(join(import.meta.dirname, name), 'utf8')).join('\n')
  const missing = CHECKLIST.filter(([id, , elsewhere]) => {
    const text = elsewhere === undefined ? sources : readFileSync(join(import.meta.dirname, elsewhere), 'utf8')
    return !text.includes(id)
  })
  expect(missing).toEqual([])
})

/** What a review of a young VPN speaker found, each with the file (of `test` or `src`) and words of the test that would find it here. */
const CATALOGUE: readonly (readonly [fault: string, file: string, words: string])[] = [
  ['AS_TRANS is compared as a real AS number', 'speaker/catalogue', 'come up with each other although the OPEN has AS_TRANS'],
  ['a VRF that is gone leaves its routes', 'speaker/vrf', 'can go to another VRF, and take its routes with it'],
  ['two RDs alias to one imported row', 'speaker/vrf', 'equal prefixes of two RDs as two paths'],
  ['the last withdrawal is not passed on', 'speaker/catalogue', 'is withdrawn two hops on'],
  ['a knob of a peer stands outside the key of its update group', 'speaker/catalogue', 'has everything that a peer may differ in'],
  ['the timer of a dead session forces Established', 'speaker/catalogue', 'has no timer that brings it back'],
  ['ADD-PATH id 0 is a wildcard', 'speaker/catalogue', 'names one path, and is no wildcard'],
  ['a deleted policy leaves a deny-all', 'speaker/catalogue', 'leaves nothing of itself behind'],
  ['no tie-break by BGP identifier', 'speaker/catalogue', 'come to the same decision whichever came first'],
  ['NO_EXPORT is ignored for labeled unicast', 'speaker/catalogue', 'holds for $name'],
  ['restart of a family that the peer does not speak holds all back', 'speaker/catalogue', 'holds nothing back'],
  ['keepalives wait behind a full table', 'speaker/slow-reader', 'is kept alive meanwhile'],
  ['what peers hold is not what the table says', 'speaker/convergence', 'fresh'],
]

it.each(CATALOGUE)('%s: has a test', (_fault, file, words) => {
  expect(readFileSync(join(import.meta.dirname, `../${file}.test.ts`), 'utf8')).toContain(words)
})
