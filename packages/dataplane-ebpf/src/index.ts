export { ebpfDataplane, type EbpfDataplane, type EbpfDataplaneOptions } from './ebpf-dataplane.js'
export { ebpfFeatures, type EbpfFeature, type EbpfFeatureName } from './probe.js'
