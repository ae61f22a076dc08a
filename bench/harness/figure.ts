/** A number as people read it, three digits of it, with its unit: `2.45 s`, `104 M/s`, `1,250 MiB`. */
export function figure(value: number, unit: string): string {
  if (unit === '×') return `${value.toFixed(2)}×`
  if (unit.startsWith('/') && value >= 1e6) return `${digits(value / 1e6)} M${unit}`
  if (unit.startsWith('/') && value >= 1e4) return `${digits(value / 1e3)} k${unit}`
  return unit === '' ? digits(value) : `${digits(value)} ${unit}`
}

function digits(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(3)))
}
