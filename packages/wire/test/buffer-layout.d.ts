/** The part of the package that tests use; it comes without types. */
declare module 'buffer-layout' {
  interface Layout<T> {
    decode(bytes: Uint8Array): T
  }
  export function u8(property: string): Layout<number>
  export function u16be(property: string): Layout<number>
  export function u32be(property: string): Layout<number>
  export function struct(fields: readonly Layout<unknown>[]): Layout<Record<string, number>>
}
