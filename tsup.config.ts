import { defineConfig } from 'tsup'
import { packages } from './scripts/lib/packages.mjs'

/** One ESM bundle an entry point; code shared by two entry points of a package is one chunk, so a class has one identity. Types come from `tsc -b`. */
export default defineConfig(
  packages()
    .filter(({ entries }) => Object.keys(entries).length > 0)
    .map(({ dir, entries, manifest }) => ({
      entry: {
        ...Object.fromEntries(Object.values(entries).map((file) => [file.replace(/^src\//, '').replace(/\.ts$/, ''), `${dir}/${file}`])),
        ...Object.fromEntries((manifest.heddle?.executables ?? []).map((name: string) => [name, `${dir}/src/${name}.ts`])),
      },
      outDir: `${dir}/dist`,
      format: ['esm' as const],
      target: 'node20',
      platform: 'neutral' as const,
      splitting: true,
      clean: false,
      dts: false,
      silent: true,
      external: [
        /^node:/,
        /^@heddle\//,
        ...Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies }),
      ],
    })),
)
