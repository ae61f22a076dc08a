import { backendName } from '../health/backend-name.js'
import type { ServiceHealth } from '../health/service-health.js'
import type { ServiceRow } from './rows.js'

/** A row a backend, in the order of the configuration. */
export function serviceRows(health: ServiceHealth): ServiceRow[] {
  return health.services.flatMap((service) =>
    service.backends.map((backend): ServiceRow => {
      const { name, vrf, address, protocol, port } = service
      const check = health.of(service, backend)
      return {
        service: name,
        vrf,
        address: String(address),
        protocol,
        port,
        backend: backendName(backend),
        weight: backend.weight,
        state: check?.isDown === true ? 'down' : (backend.state ?? 'ready'),
        check: service.health?.type ?? null,
        asked: check?.isAsked === true,
        since: check === undefined ? null : health.age(check) / 1000,
        reason: check?.reason ?? null,
      }
    }),
  )
}
