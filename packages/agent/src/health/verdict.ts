/** What is thought of a backend. */
export interface Verdict {
  /** Whether it gets new flows. */
  readonly isUp: boolean
  /** Whether it was ever asked: what is not known yet counts as up. */
  readonly isKnown: boolean
  /** Answers in a row that say the opposite. */
  readonly against: number
}

/** Of a backend that nobody has asked. */
export const UNKNOWN: Verdict = { isUp: true, isKnown: false, against: 0 }

/** What is thought behind one more answer: the first one decides at once, after that it takes `rise` or `fall` in a row. */
export function judge(before: Verdict, answered: boolean, { rise, fall }: { readonly rise: number; readonly fall: number }): Verdict {
  if (!before.isKnown || before.isUp === answered) return { isUp: before.isKnown ? before.isUp : answered, isKnown: true, against: 0 }
  const against = before.against + 1
  return against < (before.isUp ? fall : rise) ? { ...before, against } : { isUp: answered, isKnown: true, against: 0 }
}
