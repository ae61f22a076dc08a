// Run by npm around packing a platform package: states os, cpu and libc in its manifest, and takes them out again.
//
// In the repository the platform packages are workspaces, and npm refuses to install a workspace that names another platform: with these fields in
// place, `npm ci` would fail everywhere but on that one. A published package needs them, so that npm leaves out what the machine cannot load.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'

const [moment] = process.argv.slice(2)
const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
const [os, cpu, abi] = basename(process.cwd()).split('-')

if (moment === 'prepack') {
  if (!existsSync(manifest.main)) {
    console.error(`${manifest.name}: ${manifest.main} is not built; npm run build:native on ${os} ${cpu} makes it`)
    process.exit(1)
  }
  write({ ...manifest, os: [os], cpu: [cpu], ...(abi === undefined ? {} : { libc: [abi === 'gnu' ? 'glibc' : abi] }) })
} else if (moment === 'postpublish' || (moment === 'postpack' && process.env['npm_command'] !== 'publish')) {
  // Publishing reads the manifest once more behind packing.
  const { os: _os, cpu: _cpu, libc: _libc, ...rest } = manifest
  write(rest)
}

/** @param {object} content */
function write(content) {
  writeFileSync('package.json', `${JSON.stringify(content, undefined, 2)}\n`)
}
