// The workspace's packages and their entry points, read from the manifests so that no second list can disagree with them.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/**
 * @typedef {object} Package
 * @property {string} name npm name
 * @property {string} folder folder under packages/
 * @property {string} dir absolute path
 * @property {any} manifest package.json
 * @property {Record<string, string>} entries exports key ('.' or './testing') to source file, relative to dir
 */

/** @returns {Package[]} */
export function packages() {
  return readdirSync(join(root, 'packages'))
    .filter((folder) => existsSync(join(root, 'packages', folder, 'package.json')))
    .map((folder) => {
      const dir = join(root, 'packages', folder)
      const manifest = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))
      /** @type {Record<string, string>} */
      const entries = {}
      for (const key of Object.keys(manifest.exports ?? {})) {
        if (key === './package.json') continue
        entries[key] = key === '.' ? 'src/index.ts' : `src/${key.slice(2)}/index.ts`
      }
      return { name: manifest.name, folder, dir, manifest, entries }
    })
}

/** Import specifier to absolute source file, for tools that run sources instead of dist. */
export function sourceAliases() {
  return packages().flatMap(({ name, dir, entries }) =>
    Object.entries(entries).map(([key, file]) => ({ specifier: key === '.' ? name : `${name}${key.slice(1)}`, file: join(dir, file) })),
  )
}
