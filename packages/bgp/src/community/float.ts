const view = new DataView(new ArrayBuffer(4))

/** The number whose IEEE 754 bits are `bits`; `undefined` for not-a-number, of which there are many bit patterns. */
export function floatOf(bits: number): number | undefined {
  view.setUint32(0, bits)
  const value = view.getFloat32(0)
  return Number.isNaN(value) ? undefined : value
}

/** The IEEE 754 bits of a number, rounded to single precision. */
export function floatBits(value: number): number {
  view.setFloat32(0, value)
  return view.getUint32(0)
}
