import { DataplaneError } from '@heddle/core'
import { readFileSync } from 'node:fs'

/** What the dataplane cannot do without, by its bit in the kernel's sets of capabilities. CAP_SYS_ADMIN stands for CAP_BPF. */
const NEEDED = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21 } as const

/**
 * Looks at the effective capabilities of this process (capabilities(7)), so that what is missing is said at the start and not with the first device.
 *
 * @throws DataplaneError `dataplane.permission` naming what is missing
 */
export function checkPrivileges(status = readFileSync('/proc/self/status', 'utf8')): void {
  const [, hex = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? []
  const effective = BigInt(`0x${hex}`)
  const missing = Object.entries(NEEDED).filter(([, bit]) => ((effective >> BigInt(bit)) & 1n) === 0n)
  if (missing.length === 0) return
  const names = missing.map(([name]) => name).join(' and ')
  throw new DataplaneError('dataplane.permission', `${names} ${missing.length === 1 ? 'is' : 'are'} missing: run it as root`)
}
