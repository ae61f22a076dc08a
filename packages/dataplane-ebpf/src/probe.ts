import { call } from './native/call.js'

/** What the eBPF dataplane asks of a kernel. */
export type EbpfFeatureName = 'bpf' | 'mmapable-array' | 'tcx' | 'redirect-neigh' | 'redirect-peer' | 'decap-l3' | 'btf'

/** A feature as a value: what it is for, since when there is one, and what trying it here gave. */
export interface EbpfFeature {
  readonly name: EbpfFeatureName
  readonly purpose: string
  /** First kernel release that has it, where it is compiled in. */
  readonly minimumKernel: string
  /** Whether the dataplane can do without. */
  readonly optional: boolean
  readonly available: boolean
  /** Why it is missing, in the system's words; empty when it is there. */
  readonly reason: string
}

type Known = Omit<EbpfFeature, 'available' | 'reason'>

const FEATURES: readonly Known[] = [
  { name: 'bpf', purpose: 'loading programs', minimumKernel: '4.4', optional: false },
  { name: 'mmapable-array', purpose: 'a FIB in memory that process and kernel share', minimumKernel: '5.5', optional: false },
  { name: 'tcx', purpose: 'attaching programs to links', minimumKernel: '6.6', optional: false },
  { name: 'redirect-neigh', purpose: 'sending to the neighbour that the routes name', minimumKernel: '5.10', optional: false },
  { name: 'redirect-peer', purpose: 'delivering into a namespace', minimumKernel: '5.10', optional: false },
  { name: 'decap-l3', purpose: 'packets of one family out of tunnels of the other', minimumKernel: '6.3', optional: true },
  { name: 'btf', purpose: 'readable messages of the verifier', minimumKernel: '5.4', optional: true },
]

let found: readonly EbpfFeature[] | undefined

/** Tries every feature once; nothing is attached and nothing stays. @throws DataplaneError `dataplane.device` without the native part */
export function ebpfFeatures(): readonly EbpfFeature[] {
  return (found ??= tryAll())
}

function tryAll(): readonly EbpfFeature[] {
  const reasons = new Map(call((native) => native.probeFeatures()).map(({ name, reason }) => [name, reason]))
  return FEATURES.map((known) => {
    const reason = reasons.get(known.name) ?? 'not known to the native part'
    return { ...known, available: reason === '', reason }
  })
}

/** Features that the dataplane cannot do without and that are missing, each with the reason; empty when it can run here. */
export function missingEbpfFeatures(): string {
  return ebpfFeatures()
    .filter(({ available, optional }) => !available && !optional)
    .map(({ name, purpose, minimumKernel, reason }) => `${name} (${purpose}, since Linux ${minimumKernel}): ${reason}`)
    .join('; ')
}
