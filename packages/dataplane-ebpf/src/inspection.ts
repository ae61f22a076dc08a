/** A program as the kernel holds it. */
export interface EbpfProgramFacts {
  readonly name: string
  readonly id: number
  /** Hash of its instructions, hexadecimal: tells versions apart. */
  readonly tag: string
  /** Those that the verifier added included. */
  readonly instructions: number
  /** Instructions that the verifier has looked at, of a million that it would; 0 before Linux 5.16. */
  readonly verified: number
  /** Octets. */
  readonly machineCode: number
}

/** A map as the kernel holds it. */
export interface EbpfMapFacts {
  readonly name: string
  /** Entries that it can have. */
  readonly capacity: number
  readonly keyOctets: number
  /** Of a map that each CPU has a copy of, those of all. */
  readonly valueOctets: number
  /** Memory that the kernel has given it, octets; of hashes more as they fill. */
  readonly octets: number
}

/** What an eBPF dataplane has in the kernel. */
export interface EbpfInspection {
  readonly programs: readonly EbpfProgramFacts[]
  readonly maps: readonly EbpfMapFacts[]
}
