export { applyToState, emptyState } from './apply-to-state.js'
export { describeLabels, describePorts, describeState, type PortName } from './describe-state.js'
export { expectedExports, expectedLabels, expectedPorts, expectedTables, type ModelInputs } from './model-oracle.js'
