import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

it('protocol, server, address management and store need nothing of Node and touch no kernel: it is handed in', () => {
  const source = join(import.meta.dirname, '../src')
  for (const folder of ['protocol', 'server', 'ipam', 'store']) {
    for (const file of readdirSync(join(source, folder)).filter((name) => !name.endsWith('.test.ts'))) {
      const imported = [...readFileSync(join(source, folder, file), 'utf8').matchAll(/from '([^']+)'/g)].map(([, specifier]) => specifier)
      expect(
        imported.filter((specifier) => /^node:|^@heddle\/linux|\/node\//.test(specifier)).map((specifier) => `${file}: ${specifier}`),
      ).toEqual([])
    }
  }
})
