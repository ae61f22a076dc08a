/** What the demo asks of a pod, one JSON a line on its standard input; the answer comes back with the same id. */
export type PodRequest = { readonly id: number } & (
  | { readonly op: 'who-is'; readonly to: string; readonly patience: number }
  | { readonly op: 'throughput'; readonly to: string; readonly milliseconds: number }
  | { readonly op: 'flow-start'; readonly to: string }
  | { readonly op: 'flow-stop'; readonly flow: number }
)

/** A line on its standard output. */
export interface PodAnswer {
  readonly id: number
  readonly value: unknown
}

/** TCP: says the pod's name, then swallows what it is sent. UDP: echoes. */
export const POD_PORT = 7007
