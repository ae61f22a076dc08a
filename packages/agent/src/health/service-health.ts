import type { EndpointService, OverlayModel, ServiceIntent } from '@heddle/core'
import type { Clock, Logger } from '@heddle/io'
import { BackendCheck } from './backend-check.js'
import type { HealthProbe } from './health-probe.js'

export interface ServiceHealthOptions {
  readonly model: Pick<OverlayModel, 'setBackendDown' | 'matchLength'>
  readonly endpoints: Pick<EndpointService, 'find'>
  readonly clock: Clock
  readonly logger: Logger
  /** Without one, services with `health` are refused before they come here. */
  readonly probe: HealthProbe | undefined
  /** Carries what changed to the dataplane and to the peers. */
  readonly synchronize: () => void
}

/**
 * Asks the backends of services that say `health` whether they answer, as far as they are endpoints of this node, and looks after routes to others: one
 * that is down gets no new flows, and a virtual address none of whose backends is up is told to nobody.
 */
export class ServiceHealth {
  readonly #options: ServiceHealthOptions
  /** By all that a check is made from: one that is the same goes on. */
  #checks = new Map<string, BackendCheck>()
  #services: readonly ServiceIntent[] = []

  constructor(options: ServiceHealthOptions) {
    this.#options = options
  }

  /** Whether there is anything to ask with. */
  get canAsk(): boolean {
    return this.#options.probe !== undefined
  }

  /** Follows another configuration, which the model has already. */
  follow(services: readonly ServiceIntent[] = []): void {
    const before = this.#checks
    this.#services = services
    this.#checks = new Map(services.flatMap((service) => this.#checksOf(service, before)))
    for (const [key, check] of before) if (!this.#checks.has(key)) check.stop()
    // What the model learnt goes by backend, whatever VRF its service was of.
    for (const [key, check] of this.#checks) if (!before.has(key)) this.#begin(check)
  }

  /** The services of the configuration, with a check and without. */
  get services(): readonly ServiceIntent[] {
    return this.#services
  }

  /** Milliseconds for which a check has come to its verdict. */
  age({ since }: BackendCheck): number {
    return this.#options.clock.now() - since
  }

  list(): readonly BackendCheck[] {
    return [...this.#checks.values()]
  }

  /** What looks after a backend, if anything. */
  of(service: ServiceIntent, backend: ServiceIntent['backends'][number]): BackendCheck | undefined {
    return this.#checks.get(keyOf(service, backend))
  }

  stop(): void {
    for (const check of this.#checks.values()) check.stop()
    this.#checks.clear()
  }

  #checksOf(service: ServiceIntent, before: ReadonlyMap<string, BackendCheck>): readonly (readonly [string, BackendCheck])[] {
    const { probe, clock, endpoints, model } = this.#options
    const { health, vrf } = service
    if (health === undefined || probe === undefined) return []
    const places = new Map(Array.from(before.values(), (check) => [placeOf(check.service, check.backend), check]))
    return service.backends.map((backend) => {
      const key = keyOf(service, backend)
      const { address } = backend
      const fresh = (): BackendCheck =>
        new BackendCheck({
          service,
          backend,
          health,
          clock,
          probe,
          endpoint: () => endpoints.find({ vrf, address }),
          matchLength: () => model.matchLength(vrf, address),
          before: places.get(placeOf(service, backend)),
          changed: (check) => this.#changed(check),
        })
      return [key, before.get(key) ?? fresh()] as const
    })
  }

  #begin(check: BackendCheck): void {
    if (this.#options.model.setBackendDown(check.service.name, check.backend, check.isDown)) this.#options.synchronize()
    check.start()
  }

  #changed(check: BackendCheck): void {
    const { model, logger, synchronize } = this.#options
    const { service, backend, isDown, reason } = check
    const fields = { service: service.name, vrf: service.vrf, backend: `${backend.address} port ${backend.port}` }
    if (isDown) logger.warn('a backend does not answer, and gets no new flows', { ...fields, reason })
    else logger.info('a backend gets new flows again', fields)
    if (model.setBackendDown(service.name, backend, isDown)) synchronize()
  }
}

function keyOf(service: ServiceIntent, backend: ServiceIntent['backends'][number]): string {
  return JSON.stringify([placeOf(service, backend), service.health])
}

/** What is asked, whatever the question. */
function placeOf({ name, vrf }: ServiceIntent, { address, port }: ServiceIntent['backends'][number]): string {
  return JSON.stringify([name, vrf, String(address), port])
}
