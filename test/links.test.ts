// Every relative link of every document leads to a file that a clone has, and to a heading where it names one.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../scripts/lib/packages.mjs'

const documents = globSync(['*.md', '{bench,docs,examples,packages,scripts,test,tools}/**/*.md'], {
  cwd: root,
  exclude: (path) => /(^|\/)(node_modules|dist|out|\..*)$/.test(path),
})

it('there are documents', () => expect(documents.length).toBeGreaterThan(40))

/** Files and folders of a clone; what is built is not there for others. `undefined` where git does not tell: then all that is there counts. */
const cloned = ((): ReadonlySet<string> | undefined => {
  const command = ['-c', `safe.directory=${root}`, 'ls-files', '--cached', '--others', '--exclude-standard', '-z']
  const { status, stdout } = spawnSync('git', command, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 })
  if (status !== 0) return undefined
  return new Set(stdout.split('\0').flatMap((file) => file.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'))))
})()

function isThere(path: string): boolean {
  const name = path.replace(/\/$/, '')
  return existsSync(join(root, name)) && (cloned === undefined || name === '.' || cloned.has(name))
}

/** A document without its blocks of code. */
function prose(text: string): string {
  return text.replaceAll(/^ *(`{3,}|~{3,})[^\n]*\n(?:[\s\S]*?\n)?? *\1[`~]* *$/gm, '')
}

/** Where a document's links lead: `[a](to)`, `[a](<to> "title")` and `[a]: to`. */
function linksOf(text: string): string[] {
  const matches = prose(text).matchAll(/(?:\]\(\s*|^ {0,3}\[[^\]\n^]+\]:\s+)(?:<([^>\n]*)>|([^)\s]+))/gm)
  return [...matches].map(([, quoted, plain]) => quoted ?? plain)
}

/** Names by which a document's headings are linked to. */
function headingsOf(text: string): string[] {
  return [...prose(text).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\-_ ]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  )
}

it('links of all forms are seen, and neither they nor headings in code', () => {
  const text =
    '# A title\n[a](b "c")\n[a](<d e>)\n[a]: f\n[a](g) [b](h)\n```sh\n# none\n[a](none)\n```\n  ~~~\n[a]: none\n  ~~~\n## Last `one`\n'
  expect(linksOf(text)).toEqual(['b', 'd e', 'f', 'g', 'h'])
  expect(headingsOf(text)).toEqual(['a-title', 'last-one'])
})

it('what is built is no target of a link', () => {
  expect([isThere('README.md'), isThere('docs/'), isThere('docs/none.md')]).toEqual([true, true, false])
  if (cloned !== undefined) expect(isThere('node_modules')).toBe(false)
})

it.each(documents)('%s', (document) => {
  const broken = linksOf(readFileSync(join(root, document), 'utf8')).filter((link) => {
    if (/^[a-z]+:/.test(link)) return false
    const [path, heading] = link.split('#')
    const target = path === '' ? document : normalize(join(dirname(document), path))
    if (!isThere(target)) return true
    return heading !== undefined && target.endsWith('.md') && !headingsOf(readFileSync(join(root, target), 'utf8')).includes(heading)
  })
  expect(broken).toEqual([])
})
