export { applyToState, emptyState } from './apply-to-state.js'
export { describeLabels, describePorts, describeState, describeTraffic, type PortName } from './describe-state.js'
export { expectedExports, expectedLabels, expectedPorts, expectedTables, expectedTraffic, type ModelInputs } from './model-oracle.js'
