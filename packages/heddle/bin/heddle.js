#!/usr/bin/env node
// Plain enough for any Node to read, so that one that is too old can be told so.
var REQUIRED = [20, 19]
var found = process.versions.node.split('.').map(Number)
if (found[0] < REQUIRED[0] || (found[0] === REQUIRED[0] && found[1] < REQUIRED[1])) {
  console.error('heddle: Node ' + process.versions.node + ' is too old; Node ' + REQUIRED.join('.') + ' or newer is needed')
  process.exit(1)
}

// What serves for long passes many octets on and keeps little of them on V8's heap. Left alone, V8 gives the young generation of such a process
// up to 96 MiB; with 4 MiB a half-space a full table costs a third less memory and as much time. It can only be said when a process begins.
var YOUNG = '--max-semi-space-size=4'
// Left alone, V8 lets the heap become four times as large before it looks for what is gone, and 64 MiB of octets beside it be left over.
var OLD = ['--heap-growing-percent=20', '--external-memory-accounted-in-global-limit']
var serves = process.argv[2] === 'speaker' || process.argv[2] === 'node'
var told = /--max[-_]semi[-_]space[-_]size/.test(process.execArgv.join(' ') + ' ' + (process.env.NODE_OPTIONS || ''))
// An IPC channel would not survive.
if (serves && !told && process.execve && process.platform !== 'win32' && !process.send)
  process.execve(process.execPath, [process.execPath, YOUNG].concat(process.execArgv, process.argv.slice(1)), process.env)
// Nodes before do not know the second.
if (serves && found[0] >= 24) OLD.forEach(process.getBuiltinModule('node:v8').setFlagsFromString)

import('../dist/main.js').catch(function (error) {
  console.error(
    'heddle: ' + (error && error.code === 'ERR_MODULE_NOT_FOUND' ? 'the package is not built: ' : '') + (error && error.message),
  )
  process.exit(1)
})
