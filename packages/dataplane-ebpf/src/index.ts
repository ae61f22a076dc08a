export { ebpfDataplane, type EbpfDataplane, type EbpfDataplaneOptions } from './ebpf-dataplane.js'
export { EbpfVerifierError } from './native/verifier-error.js'
export { ebpfFeatures, type EbpfAttachment, type EbpfChoice, type EbpfFeature, type EbpfFeatureName } from './probe.js'
export type { EbpfInspection, EbpfMapFacts, EbpfProgramFacts } from './inspection.js'
