import { Addresses } from './address.js'
import { Links } from './link.js'
import type { NativeNetlink } from './native/binding.js'
import { callAsync } from './native/call.js'
import { Neighbours } from './neighbour.js'
import { namespacePath, type NamespaceReference } from './network-namespace.js'
import { Routes } from './route.js'

/**
 * The kernel's tables of one network namespace, over one rtnetlink socket on a native thread inside it.
 *
 * Calls may overlap; they are carried out in the order in which they were made. A call costs about 0.1 ms. Changing anything needs CAP_NET_ADMIN.
 */
export class Netlink implements Disposable {
  readonly links: Links
  readonly addresses: Addresses
  readonly routes: Routes
  readonly neighbours: Neighbours
  readonly #netlink: NativeNetlink

  private constructor(netlink: NativeNetlink) {
    this.#netlink = netlink
    this.links = new Links(netlink)
    this.addresses = new Addresses(netlink)
    this.routes = new Routes(netlink)
    this.neighbours = new Neighbours(netlink)
  }

  /**
   * Opens a socket in `namespace`, in the process's own if left out.
   *
   * @throws LinuxError `ENOENT` when the namespace is not there, `EPERM` when it may not be entered
   */
  static async open(namespace?: NamespaceReference): Promise<Netlink> {
    return new Netlink(await callAsync((native) => native.netlinkOpen(namespacePath(namespace))))
  }

  /** Closes the socket behind the calls made so far; later ones are refused with `EBADF`. Idempotent. */
  close(): void {
    this.#netlink.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
