import type { ConformanceCase } from '../conformance-case.js'
import { congestionCases } from './congestion.js'
import { counterCases } from './counters.js'
import { ecmpCases } from './ecmp.js'
import { encapsulationCases } from './encapsulations.js'
import { ethernetCases } from './ethernet.js'
import { featureCases } from './features.js'
import { isolationCases } from './isolation.js'
import { jointLabelCases } from './joint-labels.js'
import { labelCases } from './labels.js'
import { pathMtuCases } from './path-mtu.js'
import { livenessCases } from './liveness.js'
import { mirrorCases } from './mirror.js'
import { natPoolCases } from './nat-pool.js'
import { policyCases } from './policy.js'
import { lifecycleCases, portCases } from './ports.js'
import { propertyCases } from './properties.js'
import { rateLimitCases } from './rate-limit.js'
import { serviceCases } from './service.js'
import { transactionCases } from './transactions.js'
import { traceCases } from './trace.js'
import { ttlAndMtuCases } from './ttl-and-mtu.js'

/** Everything that a dataplane must do, in the order of a first implementation. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...transactionCases,
  ...portCases,
  ...ethernetCases,
  ...isolationCases,
  ...labelCases,
  ...encapsulationCases,
  ...jointLabelCases,
  ...ttlAndMtuCases,
  ...pathMtuCases,
  ...congestionCases,
  ...featureCases,
  ...policyCases,
  ...rateLimitCases,
  ...serviceCases,
  ...natPoolCases,
  ...livenessCases,
  ...counterCases,
  ...mirrorCases,
  ...traceCases,
  ...ecmpCases,
  ...lifecycleCases,
  ...propertyCases,
]
