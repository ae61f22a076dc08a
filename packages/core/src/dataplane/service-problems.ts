import type { ServiceObject } from './service.js'

/** One thing that is wrong with a service. */
export interface ServiceProblem {
  readonly code: 'dataplane.range' | 'dataplane.unsupported'
  readonly message: string
}

/** Why a service is none; for whoever takes or makes services. */
export function serviceProblems(service: Omit<ServiceObject, 'id' | 'vrf'>): ServiceProblem[] {
  const { address, protocol, port, backends, affinity, seed } = service
  const problems: ServiceProblem[] = []
  const within = (what: string, value: number, first: number, last: number): void => {
    if (Number.isInteger(value) && value >= first && value <= last) return
    problems.push({ code: 'dataplane.range', message: `${what} ${value} is not within ${first}–${last}` })
  }
  within('port', port, 1, 65_535)
  within('seed', seed, 0, 0xffffffff)
  if (affinity !== undefined) within('affinity', affinity, 1, Number.MAX_SAFE_INTEGER)
  for (const backend of backends) {
    within('port of a backend', backend.port, 1, 65_535)
    within('weight', backend.weight, 0, 0xffffffff)
    if (backend.address.family !== address.family) {
      problems.push({ code: 'dataplane.range', message: `${backend.address} and ${address} are not of one family` })
    }
    if (protocol === 'sctp' && backend.port !== port) {
      problems.push({
        code: 'dataplane.unsupported',
        message: `the port of an SCTP service cannot be changed, here from ${port} to ${backend.port}`,
      })
    }
  }
  return problems
}
