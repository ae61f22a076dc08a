/** What a dataplane does in one of several ways, as the host allows. */
export interface DataplaneChoice {
  /** What is done. */
  readonly what: string
  readonly chosen: string
  /** What trying gave, or why it is not tried. */
  readonly because: string
}

/** Something that a dataplane has in the kernel, or that shares a link with it. */
export interface KernelPart {
  /** `foreign`: somebody else's program on a link of the dataplane. */
  readonly kind: 'program' | 'map' | 'link' | 'foreign'
  readonly name: string
  /** The kernel's number for it. */
  readonly id?: number
  /** Of a program: hash of its instructions. */
  readonly version?: string
  /** Memory or machine code. */
  readonly octets?: number
  /** Entries that a map can have. */
  readonly capacity?: number
  /** Where it is pinned. */
  readonly pin?: string
  /** The rest, in words. */
  readonly details: string
}

/** What a dataplane in the kernel can tell besides what the contract asks of all: an optional power. */
export interface KernelInspection {
  readonly choices: readonly DataplaneChoice[]
  readonly parts: readonly KernelPart[]
}

/** A dataplane that can be looked into. */
export interface InspectableDataplane {
  /**
   * @param wanted `parts`: what it has in the kernel, which takes questions about every link; it may be left empty where that is false
   * @throws DataplaneError `dataplane.closed`
   */
  inspectKernel(wanted?: { readonly parts?: boolean }): Promise<KernelInspection>
}

/** Whether a dataplane can be looked into. */
export function isInspectable(dataplane: object): dataplane is InspectableDataplane {
  return 'inspectKernel' in dataplane
}
