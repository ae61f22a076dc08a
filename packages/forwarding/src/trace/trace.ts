/** The steps of a packet in the order of processing; the same names in every dataplane. */
export const EGRESS_STEPS = ['parse', 'port', 'flow', 'service', 'policy', 'lookup', 'nexthop', 'encap', 'send'] as const
/** The steps of a packet from the underlay. */
export const INGRESS_STEPS = ['parse outer', 'label', 'flow', 'service', 'policy', 'deliver'] as const

/** A step of either way. */
export type StepName = (typeof EGRESS_STEPS)[number] | (typeof INGRESS_STEPS)[number]

/** One step that was taken, and why it came out as it did. */
export interface Step {
  readonly step: StepName
  /** For a person, naming the objects that decided. */
  readonly text: string
}

/** Collects steps while a packet is explained; absent when packets are forwarded, which then costs a comparison a step. */
export class Trace {
  readonly steps: Step[] = []

  step(step: StepName, text: string): void {
    this.steps.push({ step, text })
  }
}
