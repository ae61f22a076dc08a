import type { Dataplane } from '@heddle/core'
import { memoryHost, type MemoryDataplane, type MemoryHost } from '@heddle/dataplane-memory'
import { IpAddress } from '@heddle/wire'
import { LabError } from '../errors.js'
import type { Flow, PingResult } from '../lab.js'
import { POD_IFNAME, type LabPod } from '../topology.js'

/** Milliseconds between two questions of a flow. */
const FLOW_INTERVAL = 5

/** Path that stands for a pod's namespace. */
export function memoryNetns(pod: LabPod): string {
  return `/memory/${pod.name}`
}

/** Hosts behind the devices of memory dataplanes. */
export class MemoryPods {
  readonly #hosts = new Map<string, MemoryHost>()

  /** Puts a host behind the device that `dataplane` has for the pod. @throws LabError `lab.pod` when it has none */
  async place(pod: LabPod, dataplane: Dataplane & MemoryDataplane): Promise<void> {
    const { devices } = await dataplane.dump()
    const device = devices.find(({ netns, ifname }) => netns === memoryNetns(pod) && ifname === POD_IFNAME)
    if (device === undefined) throw new LabError('lab.pod', `${pod.name} has no device`)
    this.#hosts.set(pod.name, memoryHost({ name: pod.name, endpoint: dataplane.endpoint(device.port) }))
  }

  ping(from: LabPod, to: string, count: number): PingResult {
    const host = this.#host(from)
    const start = performance.now()
    let received = 0
    for (let sent = 0; sent < count; sent++) if (host.ping(IpAddress.parse(to))) received++
    return { sent: count, received, ...(received > 0 ? { rttMs: (performance.now() - start) / count } : {}) }
  }

  whoIs(from: LabPod, to: string): string | undefined {
    return this.#host(from).ask(IpAddress.parse(to))
  }

  flow(from: LabPod, to: string): Flow {
    let sent = 0
    let received = 0
    let longestGapMs = 0
    let last = performance.now()
    const timer = setInterval(() => {
      sent++
      if (this.#host(from).ask(IpAddress.parse(to)) === undefined) return
      const now = performance.now()
      received++
      longestGapMs = Math.max(longestGapMs, now - last)
      last = now
    }, FLOW_INTERVAL)
    return {
      async stop() {
        clearInterval(timer)
        return { sent, received, longestGapMs }
      },
    }
  }

  #host({ name }: LabPod): MemoryHost {
    const host = this.#hosts.get(name)
    if (host === undefined) throw new LabError('lab.pod', `there is no pod ${name}`)
    return host
  }
}
