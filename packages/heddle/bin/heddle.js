#!/usr/bin/env node
// Plain enough for any Node to read, so that one that is too old can be told so.
var REQUIRED = [20, 19]
var found = process.versions.node.split('.').map(Number)
if (found[0] < REQUIRED[0] || (found[0] === REQUIRED[0] && found[1] < REQUIRED[1])) {
  console.error('heddle: Node ' + process.versions.node + ' is too old; Node ' + REQUIRED.join('.') + ' or newer is needed')
  process.exit(1)
}
import('../dist/main.js').catch(function (error) {
  console.error(
    'heddle: ' + (error && error.code === 'ERR_MODULE_NOT_FOUND' ? 'the package is not built: ' : '') + (error && error.message),
  )
  process.exit(1)
})
