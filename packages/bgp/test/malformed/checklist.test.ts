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
