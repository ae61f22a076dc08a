// Temporary folders of guests: each has the number of its process in its name, so that what one has left that was killed is known for that.
import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** @param {'guest' | 'initramfs'} what @returns {string} its path */
export function makeGuestFolder(what) {
  return mkdtempSync(join(tmpdir(), `heddle-${what}-${process.pid}-`))
}

/** Takes away this user's folders of processes that live no more. Another process may be at it, too. */
export function sweepGuestFolders() {
  for (const name of readdirSync(tmpdir())) {
    const pid = /^heddle-(?:guest|initramfs)-(\d+)-/.exec(name)?.[1]
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue
    const path = join(tmpdir(), name)
    const owner = lstatSync(path, { throwIfNoEntry: false })?.uid
    if (owner !== undefined && owner === process.getuid?.()) rmSync(path, { recursive: true, force: true, maxRetries: 3 })
  }
}
