export { applyToState, emptyState } from './apply-to-state.js'
export { describeLabels, describePorts, describeState, describeTraffic, describeVnis, type PortName } from './describe-state.js'
export {
  expectedExports,
  expectedLabels,
  expectedPorts,
  expectedTables,
  expectedTraffic,
  expectedVnis,
  type ModelInputs,
} from './model-oracle.js'
