import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Writes a file so that its name leads to all of it or to what was there before, and lasts. */
export async function putFile(path: string, content: Uint8Array | string, mode: number): Promise<void> {
  // Runtimes read what ends in .conf, .conflist or .json: this does not.
  const side = `${path}.heddle-new`
  await rm(side, { force: true })
  const file = await open(side, 'wx', mode)
  try {
    await file.chmod(mode) // whatever the umask is
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(side, path)
  await syncFolderOf(path)
}

/** A name in a folder lasts when the folder was flushed. */
export async function syncFolderOf(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
