import { CNI_VERSIONS, bestVersion } from '../protocol/version.js'
import { ADD_CHECKS } from './checks/add-checks.js'
import { CHECK_CHECKS } from './checks/check-checks.js'
import { DEL_CHECKS } from './checks/del-checks.js'
import { NODE_CHECKS } from './checks/node-checks.js'
import { PROTOCOL_CHECKS } from './checks/protocol-checks.js'
import { ROBUSTNESS_CHECKS } from './checks/robustness-checks.js'
import { ConformanceFailure, type PluginCheck } from './plugin-check.js'
import { PluginLab, type PluginUnderTest } from './plugin-lab.js'
import { runPlugin } from './run-plugin.js'

/** Every check there is. */
export const PLUGIN_CHECKS: readonly PluginCheck[] = [
  ...PROTOCOL_CHECKS,
  ...ADD_CHECKS,
  ...DEL_CHECKS,
  ...CHECK_CHECKS,
  ...NODE_CHECKS,
  ...ROBUSTNESS_CHECKS,
]

/** What became of a check. */
export interface CheckOutcome {
  readonly check: PluginCheck
  readonly outcome: 'passed' | 'failed' | 'skipped'
  /** What the plugin did instead, or why the check was not run; empty when it passed. */
  readonly reason: string
}

/**
 * Runs the checks on a plugin: calls its executable as a runtime does, and looks into the containers. Needs root and the native part of
 * `@heddle/linux`.
 *
 * @param plugin is called in the newest version that it speaks
 */
export async function testPlugin(
  plugin: PluginUnderTest,
  checks: readonly PluginCheck[] = PLUGIN_CHECKS,
): Promise<readonly CheckOutcome[]> {
  const answer = await runPlugin([plugin.file], { CNI_COMMAND: 'VERSION' }, '{"cniVersion":"1.0.0"}')
  const offered: unknown = answer.json['supportedVersions']
  const versions = Array.isArray(offered) ? (offered as unknown[]).filter((text) => typeof text === 'string') : []
  const version = bestVersion(versions)
  const outcomes: CheckOutcome[] = []
  for (const check of checks) {
    const { since = '0.3.1' } = check
    if (version === undefined || CNI_VERSIONS.indexOf(version) < CNI_VERSIONS.indexOf(since)) {
      outcomes.push({
        check,
        outcome: 'skipped',
        reason: `it speaks ${versions.join(', ') || 'no version'}, and this is there from ${since} on`,
      })
      continue
    }
    const lab = new PluginLab(plugin, version, versions)
    try {
      await check.run(lab)
      outcomes.push({ check, outcome: 'passed', reason: '' })
    } catch (error) {
      const reason = error instanceof ConformanceFailure ? error.message : `the check came to no end: ${String(error)}`
      outcomes.push({ check, outcome: 'failed', reason })
    } finally {
      await lab.clean()
    }
  }
  return outcomes
}
