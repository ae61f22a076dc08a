import { LinuxError, closeDescriptor, offerDescriptors, takeDescriptors } from '@heddle/linux'
import { setTimeout as sleep } from 'node:timers/promises'
import { list, number, record, text } from '../protocol/json.js'
import type { AdoptedReceivers } from './underlay.js'

/** How long an offer that was announced may take to be there, milliseconds. */
const PATIENCE = 5000

/** Descriptors in one offer at most: what the kernel passes at once. */
const CHUNK = 240

/** What one forwarder gives another: everything that packets come in by, as descriptors. */
export interface Handover {
  /** Of each underlay address, in order. */
  readonly receivers: readonly AdoptedReceivers[]
  /** See `BfdSockets.fds`; empty where there is no BFD. */
  readonly bfd: readonly number[]
  readonly devices: readonly { readonly port: number; readonly fd: number }[]
}

const NAMES = ['mplsUdp', 'legacy', 'vxlan', 'gre'] as const

/** Names of the descriptors, in an order. */
function named({ receivers, bfd, devices }: Handover): { readonly name: string; readonly fd: number }[] {
  return [
    ...receivers.flatMap((one, index) =>
      NAMES.flatMap((name) => {
        const fd = one[name]
        return fd === undefined ? [] : [{ name: `${index}.${name}`, fd }]
      }),
    ),
    ...bfd.map((fd) => ({ name: 'bfd', fd })),
    ...devices.map(({ port, fd }) => ({ name: `port.${port}`, fd })),
  ]
}

/**
 * Offers descriptors at `path` with `.0`, `.1`, … behind it, one offer after the other; they stay open here too.
 *
 * @returns number of offers, and the promise that all were taken
 */
export function offerHandover(path: string, handover: Handover): { readonly offers: number; readonly taken: Promise<void> } {
  const all = named(handover)
  const chunks = Array.from({ length: Math.ceil(all.length / CHUNK) }, (_, index) => all.slice(index * CHUNK, (index + 1) * CHUNK))
  const taken = Promise.all(
    chunks.map((chunk, index) => {
      const bytes = new TextEncoder().encode(JSON.stringify({ names: chunk.map(({ name }) => name) }))
      return offerDescriptors(`${path}.${index}`, { fds: chunk.map(({ fd }) => fd), bytes })
    }),
  )
  return { offers: chunks.length, taken: taken.then(() => undefined) }
}

/** Takes what is offered; the caller owns the descriptors. @throws LinuxError when an offer is not there */
export async function takeHandover(path: string, offers: number): Promise<Handover> {
  const fds = new Map<string, number[]>()
  const taken: number[] = []
  try {
    for (let index = 0; index < offers; index++) {
      const one = await takeOffer(`${path}.${index}`)
      taken.push(...one.fds)
      const names = list(record(JSON.parse(new TextDecoder().decode(one.bytes)), 'handover')['names'], 'names', (name) =>
        text(name, 'name'),
      )
      names.forEach((name, at) => fds.set(name, [...(fds.get(name) ?? []), number(one.fds[at], name)]))
    }
  } catch (error) {
    for (const fd of taken) closeDescriptor(fd)
    throw error
  }
  const receivers: AdoptedReceivers[] = []
  for (let index = 0; fds.has(`${index}.mplsUdp`); index++) {
    const of = (name: (typeof NAMES)[number]): number | undefined => fds.get(`${index}.${name}`)?.[0]
    receivers.push({ mplsUdp: of('mplsUdp') ?? -1, legacy: of('legacy'), vxlan: of('vxlan'), gre: of('gre') })
  }
  const devices = Array.from(fds).flatMap(([name, [fd]]) => (name.startsWith('port.') ? [{ port: Number(name.slice(5)), fd }] : []))
  return { receivers, bfd: fds.get('bfd') ?? [], devices }
}

/** Who offers says so before the threads that wait with the offers have begun. */
async function takeOffer(path: string): ReturnType<typeof takeDescriptors> {
  const deadline = performance.now() + PATIENCE
  for (;;) {
    try {
      return await takeDescriptors(path)
    } catch (error) {
      const isToCome = error instanceof LinuxError && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')
      if (!isToCome || performance.now() > deadline) throw error
      await sleep(1)
    }
  }
}
