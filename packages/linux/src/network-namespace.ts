import { call, callAsync } from './native/call.js'

/** A network namespace: its path, an object that has one, or left out for the process's own. */
export type NamespaceReference = string | { readonly path: string }

/** Path of a namespace, ready for the native part. */
export function namespacePath(namespace: NamespaceReference | undefined): string | undefined {
  return typeof namespace === 'object' ? namespace.path : namespace
}

/**
 * A named network namespace, kept by a bind mount under `/run/netns` as `ip netns` keeps it.
 *
 * The process itself never enters one: a native thread works there for each call, and comes back.
 */
export class NetworkNamespace implements AsyncDisposable {
  /** @param name file name under `/run/netns` */
  private constructor(
    readonly name: string,
    readonly path: string,
  ) {}

  /**
   * Makes a namespace. Needs CAP_SYS_ADMIN.
   *
   * @throws LinuxError `EEXIST` when there is one of this name, `EPERM` without the privilege, `EINVAL` for a name that is no file name
   */
  static async create(name: string): Promise<NetworkNamespace> {
    return new NetworkNamespace(name, await callAsync((native) => native.namespaceCreate(name)))
  }

  /**
   * An existing namespace by name. Does not look whether it is there: see `exists`.
   *
   * @throws LinuxError `EINVAL` for a name that is no file name
   */
  static named(name: string): NetworkNamespace {
    return new NetworkNamespace(
      name,
      call((native) => native.namespacePath(name)),
    )
  }

  /** Names under `/run/netns`, sorted. */
  static list(): string[] {
    return call((native) => native.namespaceList())
  }

  static exists(name: string): boolean {
    return call((native) => native.namespaceExists(name))
  }

  /**
   * Number of a namespace, the calling thread's when none is given; two references are one namespace when it is equal.
   *
   * @throws LinuxError `ENOENT` when there is none at the path
   */
  static identity(namespace?: NamespaceReference): number {
    return call((native) => native.namespaceIdentity(namespacePath(namespace)))
  }

  /** Numbers of many namespaces, as `identity` has them, without holding this thread up; 0 where there is none at the path. */
  static identities(paths: readonly string[]): Promise<readonly number[]> {
    return callAsync((native) => native.namespaceIdentities([...paths]))
  }

  /**
   * Whether a namespace has a link of this name, without a `Netlink`.
   *
   * @throws LinuxError `ENOENT` when there is no such namespace, `EPERM` when it may not be entered
   */
  static hasLink(namespace: NamespaceReference, link: string): Promise<boolean> {
    const path = typeof namespace === 'object' ? namespace.path : namespace
    return callAsync((native) => native.namespaceHasLink(path, link))
  }

  /**
   * Those of `indexes` that are no links of a namespace, the process's own when none is given. Costs a fraction of `Netlink.links.list()`.
   *
   * @throws LinuxError `ENOENT` when there is no such namespace, `EPERM` when it may not be entered
   */
  static missingLinks(namespace: NamespaceReference | undefined, indexes: readonly number[]): Promise<readonly number[]> {
    return callAsync((native) => native.namespaceMissingLinks(namespacePath(namespace), [...indexes]))
  }

  /**
   * Takes the name away; the namespace ends with its last process, socket or descriptor.
   *
   * @throws LinuxError `ENOENT` when it is gone
   */
  async delete(): Promise<void> {
    await callAsync((native) => native.namespaceDelete(this.name))
  }

  /** Deletes it, and is content when it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (NetworkNamespace.exists(this.name)) await this.delete()
  }
}
