import type { ServiceBackend } from '@heddle/core'

/** `ADDRESS:PORT`, as in a URL. */
export function backendName({ address, port }: Pick<ServiceBackend, 'address' | 'port'>): string {
  return address.family === 6 ? `[${address}]:${port}` : `${address}:${port}`
}
