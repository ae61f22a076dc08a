import type { Cni, CniResponse } from '../../src/index.js'

/** Any answer: a result or an error. */
export interface Answer {
  readonly cniVersion?: string
  readonly code?: number
  readonly msg?: string
  readonly details?: string
  readonly interfaces?: readonly Readonly<Record<string, unknown>>[]
  readonly ips?: readonly { readonly address: string; readonly interface?: number; readonly gateway?: string; readonly version?: string }[]
  readonly routes?: readonly Readonly<Record<string, unknown>>[]
  readonly dns?: Readonly<Record<string, unknown>>
  readonly supportedVersions?: readonly string[]
}

export interface CallOptions {
  readonly id?: string
  readonly netns?: string
  readonly ifname?: string
  readonly args?: string
  readonly path?: string
  readonly config?: object
}

export const CONFIG = { cniVersion: '1.1.0', name: 'pods', type: 'heddle', network: 'red' }

/** The variables and the standard input of a call, as a runtime makes them. */
export function callOf(
  verb: string,
  { id = 'c1', netns = '/run/netns/p1', ifname = 'eth0', args, path = '/opt/cni/bin', config = {} }: CallOptions = {},
): {
  environment: Record<string, string>
  input: string
} {
  const isAttachment = verb === 'ADD' || verb === 'DEL' || verb === 'CHECK'
  return {
    environment: {
      CNI_COMMAND: verb,
      CNI_PATH: path,
      ...(isAttachment ? { CNI_CONTAINERID: id, CNI_IFNAME: ifname, ...(netns === '' ? {} : { CNI_NETNS: netns }) } : {}),
      ...(args === undefined ? {} : { CNI_ARGS: args }),
    },
    input: JSON.stringify({ ...CONFIG, ...config }),
  }
}

export async function call(
  cni: Cni,
  verb: string,
  options: CallOptions = {},
  signal?: AbortSignal,
): Promise<CniResponse & { json: Answer }> {
  const { environment, input } = callOf(verb, options)
  const response = await cni.handle(environment, input, signal)
  return { ...response, json: response.output === '' ? {} : (JSON.parse(response.output) as Answer) }
}
