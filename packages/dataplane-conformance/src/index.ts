export { arbitraryInput, arbitraryPacket, type PacketInput } from './arbitrary/packets.js'
export { arbitraryTables, separated, type Surroundings } from './arbitrary/tables.js'
export { conformanceCases } from './cases/conformance-cases.js'
export { missingFor, type ConformanceCase, type Needs } from './conformance-case.js'
export { ConformanceError } from './conformance-error.js'
export type {
  BfdDatagram,
  BfdHarness,
  DeliveredPacket,
  Harness,
  HarnessFactory,
  HarnessFeature,
  Output,
  SentPacket,
  UnderlayInput,
  WireEncapsulation,
} from './harness.js'
export { expectDelivered, expectDropped, expectForwarded, expectOneOf, expectSent, Lab, type Observed } from './lab.js'
export { interpretFromPort, interpretFromUnderlay, type World } from './oracle/interpret.js'
export type { Beliefs } from './oracle/beliefs.js'
export type { Outcome, Result } from './oracle/outcome.js'
export { Memory } from './oracle/memory.js'
export { partOf, testIcmp, type TestIcmp, type TestPart } from './packets-of-flows.js'
export { reachablePorts } from './oracle/reachable.js'
export {
  echoRequest,
  greBefore,
  labelled,
  mssOption,
  testPacket,
  testSegment,
  vxlanBefore,
  type TestGre,
  type TestLabel,
  type TestPacket,
  type TestSegment,
} from './packets.js'
export { comparable, EMPTY, only, stateOf, transition, type Tables } from './tables.js'
export { testDataplane, type TestContext, type TestDataplaneOptions, type TestFramework } from './test-dataplane.js'
