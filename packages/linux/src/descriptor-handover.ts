import { call, callAsync } from './native/call.js'

/** Milliseconds that a hand-over waits for the other side. */
const TIMEOUT = 5_000

/** What goes from one process to another. */
export interface Handover {
  /** Open descriptors, at most 250. */
  readonly fds: readonly number[]
  /** What they are, in words of the two processes' own; 1–65,536 octets. */
  readonly bytes: Uint8Array
}

/** How long to wait. */
export interface HandoverOptions {
  /** Milliseconds, 5,000 if left out. */
  readonly timeout?: number
}

/**
 * Listens on a UNIX socket at `path` (mode 0600), hands the descriptors to the first process of this user or root that takes them (SCM_RIGHTS), and
 * removes the socket. The descriptors stay open here too. One thread of Node's pool waits meanwhile.
 *
 * @throws LinuxError `ETIMEDOUT` when nobody came, `EADDRINUSE` when the path is taken, `EBADF` when a descriptor is not open
 */
export function offerDescriptors(path: string, { fds, bytes }: Handover, options: HandoverOptions = {}): Promise<void> {
  return callAsync((native) => native.descriptorsOffer(path, [...fds], bytes, options.timeout ?? TIMEOUT))
}

/**
 * Takes what is offered at `path`; one thread of Node's pool waits meanwhile. The descriptors are the caller's then: adopt each
 * (`TunDevice.fromFd`, `UdpBatchSocket.fromFd`) or close it (`closeDescriptor`).
 *
 * @throws LinuxError `ENOENT` or `ECONNREFUSED` when nobody offers, `ETIMEDOUT`, `EMFILE`
 */
export function takeDescriptors(path: string, options: HandoverOptions = {}): Promise<Handover> {
  return callAsync((native) => native.descriptorsTake(path, options.timeout ?? TIMEOUT))
}

/** Closes a descriptor that was taken over and has not been adopted. */
export function closeDescriptor(fd: number): void {
  call((native) => native.descriptorClose(fd))
}

/**
 * Another descriptor of the same open file, for an owner of its own: two threads may each adopt one.
 *
 * @throws LinuxError `EBADF`, `EMFILE`
 */
export function duplicateDescriptor(fd: number): number {
  return call((native) => native.descriptorDuplicate(fd))
}
