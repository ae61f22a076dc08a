// Which tests are run on other kernels, under which name what became of them is kept.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './packages.mjs'

const TESTS = 'packages/dataplane-ebpf/test'

/** Whether a kernel takes the programs at all, and packets go through them, also with what stacks leave to the device: minutes, to be asked with each change of the programs. */
export const QUICK = ['programs.test.ts', 'first-packets.test.ts', 'left-sums.test.ts'].map((file) => `${TESTS}/${file}`)

/** The tests of each suite by its name; the first that has a test is the one that it counts for. @returns {Record<SuiteName, string[]>} */
export function suites() {
  return {
    dataplane: readdirSync(join(root, TESTS))
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => `${TESTS}/${file}`),
    peers: ['packages/dataplane-tun/test/kernel-peers.test.ts', `${TESTS}/kernel-peers.test.ts`, 'test/vxlan-frr.test.ts'],
  }
}

/** @typedef {'dataplane' | 'peers'} SuiteName */

/**
 * The suite that has all of the tests, if one does, and how many files it has.
 *
 * @param {readonly string[]} tests
 * @returns {{ name: SuiteName, files: number } | undefined}
 */
export function suiteOf(tests) {
  const found = Object.entries(suites()).find(([, files]) => tests.every((test) => files.includes(test)))
  return found && { name: /** @type {SuiteName} */ (found[0]), files: found[1].length }
}
