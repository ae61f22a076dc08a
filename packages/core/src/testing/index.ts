export { applyToState, emptyState } from './apply-to-state.js'
export { describeState, expectedTables, type ModelInputs } from './model-oracle.js'
