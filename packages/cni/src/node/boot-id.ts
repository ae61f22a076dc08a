import { readFile } from 'node:fs/promises'

/** The kernel's name for this start of the machine. */
export async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
}
