const UNITS = [
  ['T', 1e12],
  ['G', 1e9],
  ['M', 1e6],
  ['k', 1e3],
  ['', 1],
] as const

/** The number that a text means, such as `10M` for 10,000,000; undefined when it is no whole number of at least 1 with k, M, G, T or nothing behind it. */
export function readAmount(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d+)([kMGT]?)$/.exec(text) ?? []
  const value = Number(digits) * (UNITS.find(([name]) => name === unit)?.[1] ?? 1)
  return digits !== '' && Number.isSafeInteger(value) && value > 0 ? value : undefined
}

/** A whole number as `readAmount` reads it, with the largest unit that says all of it. */
export function amountText(value: number): string {
  const [name, size] = UNITS.find(([, one]) => value % one === 0) ?? ['', 1]
  return `${value / size}${name}`
}
