import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { processOutput, run } from '@heddle/cli/program'

const executable = fileURLToPath(new URL('../bin/heddle.js', import.meta.url))
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

// A reader that goes away, as `head` does, ends the command without an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

process.exitCode = await run(process.argv.slice(2), { version, executable, output: processOutput(), input: process.stdin })
