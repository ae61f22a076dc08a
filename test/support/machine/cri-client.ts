import { join } from 'node:path'
import { credentials, loadPackageDefinition, type Client, type requestCallback, type ServiceClientConstructor } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/** A pod as a kubelet asks for it. */
export interface PodRequest {
  readonly name: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly portMappings?: readonly { readonly containerPort: number; readonly hostPort: number }[]
}

/** A pod that runs. */
export interface Pod {
  readonly id: string
  readonly name: string
  /** The first one and the others, as the runtime took them from the plugin's result. */
  readonly addresses: readonly string[]
}

type Messages = Readonly<Record<string, unknown>>
type Method = (this: Client, request: Messages, callback: requestCallback<Messages>) => void

/** Asks a container runtime for pods, as a kubelet does: CRI, over a unix socket. */
export class CriClient {
  readonly #client: Client

  constructor(socket: string) {
    const definition = loadSync(join(import.meta.dirname, 'cri.proto'))
    const { runtime } = loadPackageDefinition(definition) as unknown as { runtime: { v1: { RuntimeService: ServiceClientConstructor } } }
    this.#client = new runtime.v1.RuntimeService(`unix:${socket}`, credentials.createInsecure())
  }

  async runPod({ name, annotations = {}, portMappings = [] }: PodRequest): Promise<Pod> {
    const config = { metadata: { name, uid: name, namespace: 'default' }, hostname: name, annotations, portMappings, linux: {} }
    const { podSandboxId: id } = (await this.#call('runPodSandbox', { config })) as { podSandboxId: string }
    const { status } = (await this.#call('podSandboxStatus', { podSandboxId: id })) as {
      status: { network: { ip: string; additionalIps?: readonly { ip: string }[] } }
    }
    return { id, name, addresses: [status.network.ip, ...(status.network.additionalIps ?? []).map(({ ip }) => ip)] }
  }

  async removePod({ id }: Pick<Pod, 'id'>): Promise<void> {
    await this.#call('stopPodSandbox', { podSandboxId: id })
    await this.#call('removePodSandbox', { podSandboxId: id })
  }

  /** Why the runtime is not ready for pods; empty when it is. */
  async notReady(): Promise<string> {
    const { status } = (await this.#call('status', {})) as {
      status: { conditions: readonly { type: string; status: boolean; message: string }[] }
    }
    return status.conditions
      .filter((one) => !one.status)
      .map(({ type, message }) => `${type}: ${message}`)
      .join('; ')
  }

  close(): void {
    this.#client.close()
  }

  async #call(method: string, request: Messages): Promise<Messages> {
    const client = this.#client as Client & Record<string, Method>
    return new Promise((resolve, reject) =>
      client[method](request, (error, answer = {}) => (error === null ? resolve(answer) : reject(new TypeError(error.message)))),
    )
  }
}
