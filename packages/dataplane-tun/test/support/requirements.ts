import { nativeAvailability } from '@heddle/linux'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { release } from 'node:os'

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

/**
 * Why what a test needs of a kernel is not in this one, as a command in a network namespace of its own tells; empty when it is. Debian's cloud kernels have
 * everything: there, nothing is ever missing, and what cannot be made fails.
 *
 * @param script of the repository that runs the test in one of them
 */
export function missingInKernel(what: string, probe: string, script: 'kernels' | 'peers:kernel'): string {
  if (release().includes('cloud-amd64')) return ''
  try {
    execFileSync('unshare', ['-n', 'sh', '-c', probe], { stdio: 'ignore' })
    return ''
  } catch {
    return `needs a kernel with ${what}: npm run ${script} brings one`
  }
}
