import { nativeAvailability } from '@heddle/linux'
import { existsSync } from 'node:fs'

/** Why the tests on real devices cannot run here; empty when they can. */
export function missing(): string {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root'
  if (!existsSync('/dev/net/tun')) return 'needs /dev/net/tun'
  const native = nativeAvailability()
  return native.available ? '' : `needs the native part of @heddle/linux: ${native.error.message}`
}

/** A title that names why its tests are skipped. */
export function titled(title: string): string {
  const reason = missing()
  return reason === '' ? title : `${title} (skipped: ${reason})`
}
