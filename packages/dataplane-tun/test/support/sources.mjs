// Lets plain Node.js run the workspace's sources: package names lead to their TypeScript, and `.js` to the `.ts` beside it.
import { existsSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { sourceAliases } from '../../../../scripts/lib/packages.mjs'

const files = new Map(sourceAliases().map(({ specifier, file }) => [specifier, pathToFileURL(file).href]))

registerHooks({
  resolve(specifier, context, next) {
    const source = files.get(specifier)
    if (source !== undefined) return next(source, context)
    if (specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL !== undefined) {
      const url = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL)
      if (existsSync(fileURLToPath(url))) return next(url.href, context)
    }
    return next(specifier, context)
  },
})
