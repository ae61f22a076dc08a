import { expect, it } from 'vitest'
import { checkPrivileges } from './privileges.js'

const status = (capabilities: bigint): string =>
  `Name:\tnode\nCapPrm:\t0000000000000000\nCapEff:\t${capabilities.toString(16).padStart(16, '0')}\n`

it.each([
  [0n, 'CAP_NET_ADMIN and CAP_SYS_ADMIN are missing'],
  [1n << 12n, 'CAP_SYS_ADMIN is missing'],
  [~(1n << 12n) & 0x1ff_ffff_ffffn, 'CAP_NET_ADMIN is missing'],
])('effective capabilities %x: %s', (capabilities, message) => {
  expect(() => checkPrivileges(status(capabilities))).toThrow(message)
})

it('is content with what root has', () => {
  expect(() => checkPrivileges(status(0x1ff_ffff_ffffn))).not.toThrow()
})
