/** A decoder with a fault behind three octets that must come one after another: no chance for guesses, none for mutation without coverage. */
export function guarded(bytes: Uint8Array): string {
  if (bytes[0] !== 0x17) return 'type'
  if (bytes[1] !== 0xc3) return 'version'
  if (bytes[2] !== 0x5a) return 'length'
  throw new RangeError('the fault')
}
