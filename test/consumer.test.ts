// A consumer's way: every package packed as it would be published, all tarballs installed into an empty project, imported and type-checked.
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packages, root } from '../scripts/lib/packages.mjs'

const run = promisify(execFile)
const PLATFORM = join(root, 'packages', 'linux', 'npm', 'linux-x64-gnu')
const BINARY = 'heddle-linux.linux-x64-gnu.node'
const NODES: readonly (readonly [name: string, path: string])[] = [
  ['Node 20.19', join(root, 'tools', 'node_modules', 'node-20-linux-x64', 'bin', 'node')],
  ['Node 24', process.execPath],
  ['Node 26', join(root, 'tools', 'node_modules', 'node-26-linux-x64', 'bin', 'node')],
]

const all = packages()
const specifiers = all.flatMap(({ name, entries }) => Object.keys(entries).map((key) => (key === '.' ? name : `${name}${key.slice(1)}`)))
const hasBinary = existsSync(join(PLATFORM, BINARY))

const scratch = mkdtempSync(join(tmpdir(), 'heddle-consumer-'))
const tarballs = join(scratch, 'tarballs')
const plain = join(scratch, 'plain')
const native = join(scratch, 'native')

afterAll(() => {
  rmSync(scratch, { recursive: true, force: true })
})

beforeAll(async () => {
  for (const dir of [tarballs, plain]) await run('mkdir', ['-p', dir])
  await run('npm', ['pack', '--silent', '--pack-destination', tarballs, ...all.map(({ dir }) => dir)], { cwd: root })
  await install(plain, tarballFiles())
}, 180_000)

describe('all packages in an empty project', () => {
  describe.each(NODES)('on %s', (name, path) => {
    const reason = existsSync(path) ? '' : ` (not run: ${name} is not installed, see tools/package.json)`

    it.skipIf(reason !== '')(`are imported from ESM${reason}`, async () => {
      const file = join(plain, 'import.mjs')
      writeFileSync(
        file,
        specifiers
          .map(
            (specifier) =>
              `if (Object.keys(await import('${specifier}')).length === 0) throw new TypeError('${specifier} exports nothing')`,
          )
          .join('\n'),
      )
      await run(path, [file], { cwd: plain })
    })

    it.skipIf(reason !== '')(`are required from CommonJS${reason}`, async () => {
      const file = join(plain, 'require.cjs')
      writeFileSync(
        file,
        specifiers
          .map((specifier) => `if (Object.keys(require('${specifier}')).length === 0) throw new TypeError('${specifier} exports nothing')`)
          .join('\n'),
      )
      await run(path, [file], { cwd: plain })
    })

    it.skipIf(reason !== '')(`give a command that says its version${reason}`, async () => {
      const { stdout } = await run(path, [join(plain, 'node_modules', 'heddle', 'bin', 'heddle.js'), '--version'], { cwd: plain })
      expect(stdout.trim()).toBe(all.find(({ name: candidate }) => candidate === 'heddle')?.manifest.version)
    })

    it.skipIf(reason !== '')(`name what is missing without the native parts${reason}`, async () => {
      const file = join(plain, 'missing.mjs')
      writeFileSync(file, "import { nativeAvailability } from '@heddle/linux'\nconsole.log(JSON.stringify(nativeAvailability()))\n")
      const { stdout } = await run(path, [file], { cwd: plain })
      const availability = JSON.parse(stdout) as { available: boolean; reason?: string }
      expect(availability.available).toBe(false)
      expect(availability.reason).toContain(`@heddle/linux-${process.platform}-${process.arch}`)
    })
  })

  it('are typed for strict consumers', async () => {
    writeFileSync(
      join(plain, 'index.ts'),
      specifiers
        .map((specifier, index) => `import * as p${index} from '${specifier}'\nexport const k${index}: string[] = Object.keys(p${index})`)
        .join('\n'),
    )
    writeFileSync(
      join(plain, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          strict: true,
          noEmit: true,
          module: 'nodenext',
          target: 'es2023',
          lib: ['es2023', 'esnext.disposable', 'dom'],
          types: [],
          skipLibCheck: false,
        },
        files: ['index.ts'],
      }),
    )
    const compiler = join(root, 'node_modules', '@typescript', 'native', 'bin', 'tsc')
    const { stdout } = await run(process.execPath, [compiler, '-p', plain], { cwd: plain }).catch((error: { stdout: string }) => error)
    expect(stdout).toBe('')
  })

  const reason = hasBinary ? '' : ' (not run: the native parts are not built here)'
  it.skipIf(!hasBinary)(
    `find the native parts when their package is installed${reason}`,
    async () => {
      const packed = await run('npm', ['pack', '--silent', '--pack-destination', scratch, PLATFORM], { cwd: root })
      cpSync(plain, native, { recursive: true })
      await run('npm', [...INSTALL, join(scratch, packed.stdout.trim())], { cwd: native })
      const file = join(native, 'native.mjs')
      writeFileSync(file, "import { nativeAvailability } from '@heddle/linux'\nconsole.log(JSON.stringify(nativeAvailability()))\n")
      for (const [, path] of NODES.filter(([, candidate]) => existsSync(candidate))) {
        const { stdout } = await run(path, [file], { cwd: native })
        expect(JSON.parse(stdout)).toMatchObject({ available: true })
      }
    },
    120_000,
  )
})

const INSTALL = ['install', '--silent', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline']

function tarballFiles(): string[] {
  return readdirSync(tarballs).map((file) => join(tarballs, file))
}

async function install(dir: string, files: readonly string[]): Promise<void> {
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
  await run('npm', [...INSTALL, 'fast-check@4.10.2', ...files], { cwd: dir })
}
