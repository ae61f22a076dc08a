import type { NumberRange, PolicyRule } from './policy.js'

/** Why rules are none, one sentence each; for whoever takes or makes policies. */
export function policyProblems(rules: readonly Omit<PolicyRule, 'mirror'>[]): string[] {
  return rules.flatMap((rule, index) => ruleProblems(rule).map((problem) => `rule ${index}: ${problem}`))
}

function ruleProblems({ protocol, ports = [], sourcePorts = [], icmpTypes = [] }: Omit<PolicyRule, 'mirror'>): string[] {
  const problems: string[] = []
  const octet = (what: string, value: number): void => {
    if (!isWithin(value, 255)) problems.push(`${what} ${value} is not within 0–255`)
  }
  const range = (what: string, { first, last }: NumberRange): void => {
    if (!isWithin(first, 65_535) || !isWithin(last, 65_535) || first > last)
      problems.push(`${what} ${first}–${last} are no range within 0–65,535`)
  }
  if (protocol !== undefined) octet('protocol', protocol)
  for (const one of ports) range('ports', one)
  for (const one of sourcePorts) range('source ports', one)
  for (const { type, code = 0 } of icmpTypes) {
    octet('ICMP type', type)
    octet('ICMP code', code)
  }
  return problems
}

function isWithin(value: number, last: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= last
}
