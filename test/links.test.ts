// Every relative link of every document leads to a file, and to a heading where it names one.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../scripts/lib/packages.mjs'

const documents = globSync(['*.md', '{bench,docs,examples,packages,scripts,test,tools}/**/*.md'], {
  cwd: root,
  exclude: (path) => /(^|\/)(node_modules|dist|out|\..*)$/.test(path),
})

it('there are documents', () => expect(documents.length).toBeGreaterThan(40))

/** Names by which a document's headings are linked to. */
function headings(file: string): string[] {
  return [...readFileSync(join(root, file), 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, text]) =>
    text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\-_ ]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  )
}

it.each(documents)('%s', (document) => {
  const text = readFileSync(join(root, document), 'utf8')
  const broken = [...text.matchAll(/\]\(([^)\s]+)\)/g)].filter(([, link]) => {
    if (/^[a-z]+:/.test(link)) return false
    const [path, heading] = link.split('#')
    const target = path === '' ? document : normalize(join(dirname(document), path))
    if (!existsSync(join(root, target))) return true
    return heading !== undefined && target.endsWith('.md') && !headings(target).includes(heading)
  })
  expect(broken.map(([, link]) => link)).toEqual([])
})
