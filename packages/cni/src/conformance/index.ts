export { ConformanceFailure, type CheckLevel, type PluginCheck } from './plugin-check.js'
export { PluginLab, type Container, type PluginUnderTest } from './plugin-lab.js'
export type { PluginRun, RunOptions } from './run-plugin.js'
export { PLUGIN_CHECKS, testPlugin, type CheckOutcome } from './test-plugin.js'
