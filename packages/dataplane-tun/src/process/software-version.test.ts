import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { SOFTWARE_VERSION } from './software-version.js'

it('the version that a forwarder tells is that of the package', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  expect(SOFTWARE_VERSION).toBe(version)
})
