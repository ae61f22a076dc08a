export { applyToState, emptyState } from './apply-to-state.js'
export { describeLabels, describeState, type PortName } from './describe-state.js'
export { expectedExports, expectedLabels, expectedTables, type ModelInputs } from './model-oracle.js'
