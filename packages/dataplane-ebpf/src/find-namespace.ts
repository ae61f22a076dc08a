import { NetworkNamespace } from '@heddle/linux'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Where namespaces have names, by those who make them. */
const NAMED = ['/run/netns', '/run/docker/netns']

/** A network namespace. */
export interface FoundNamespace {
  /** Undefined: this process's own. */
  readonly path: string | undefined
}

/**
 * The network namespace of a number: this process's own, one that has a name, or one that a process is in; undefined where it is none of these, as when it has
 * gone.
 */
export async function findNamespace(number: number): Promise<FoundNamespace | undefined> {
  if (NetworkNamespace.identity() === number) return { path: undefined }
  const named = NAMED.flatMap((folder) => namesIn(folder).map((name) => join(folder, name)))
  const processes = namesIn('/proc').flatMap((name) => (/^\d+$/.test(name) ? [`/proc/${name}/ns/net`] : []))
  const paths = [...named, ...processes]
  const at = (await NetworkNamespace.identities(paths)).indexOf(number)
  return at === -1 ? undefined : { path: paths[at] }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return [] // nobody has made any
  }
}
