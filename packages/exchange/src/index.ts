export { encapsulationCommunities, encapsulationsOfPath } from './encapsulation.js'
export { fromBgp } from './from-bgp.js'
export { DEFAULT_LOCAL_PREF, attributesOf, preferenceOf, type PathSource } from './preference.js'
export { toBgp, type Originations } from './to-bgp.js'
