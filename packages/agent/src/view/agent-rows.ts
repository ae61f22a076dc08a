import { isInspectable, type Dataplane, type DataplaneCapabilities, type KernelInspection, type OverlayModel } from '@heddle/core'
import type { DataplaneBfd } from '../bgp/dataplane-bfd.js'
import type { SpeakerNode } from '../bgp/speaker-node.js'
import type { ServiceHealth } from '../health/service-health.js'
import type { EndpointManager } from '../endpoint/endpoint-manager.js'
import { describeFailure, type Synchronizer } from '../sync/synchronizer.js'
import { bpfRows, dataplaneRow, dropRows, labelRows, tunnelRows } from './dataplane-views.js'
import { endpointRow, routeRows, vrfRows } from './model-views.js'
import { serviceRows } from './service-rows.js'
import type { DataplaneRow, ViewName, Views } from './rows.js'

/** What an agent's rows are made from. */
export interface Shown {
  readonly model: OverlayModel
  readonly node: SpeakerNode
  readonly bfd: DataplaneBfd
  readonly synchronizer: Synchronizer
  readonly endpoints: EndpointManager
  readonly health: ServiceHealth
  readonly capabilities: DataplaneCapabilities
}

/** The rows of a view. @param dataplane throws while there is none */
export async function agentRows(
  what: ViewName,
  { model, node, bfd, synchronizer, endpoints, health, capabilities }: Shown,
  dataplane: () => Dataplane,
): Promise<Views[ViewName]> {
  switch (what) {
    case 'neighbors':
      return node.show('neighbors')
    case 'vrfs':
      return vrfRows(model, endpoints.list())
    case 'routes':
      return routeRows(model)
    case 'labels':
      return labelRows(await dataplane().dump())
    case 'tunnels':
      return tunnelRows(await dataplane().dump())
    case 'drops':
      return dropRows(await dataplane().counters())
    case 'endpoints':
      return endpoints.list().map(endpointRow)
    case 'services':
      return serviceRows(health)
    case 'bfd':
      return bfd.rows()
    case 'dataplane':
      return [await rowOf(dataplane(), capabilities, synchronizer.failures.map(describeFailure))]
    case 'bpf':
      return bpfRows((await kernelOf(dataplane())).parts)
  }
}

async function rowOf(dataplane: Dataplane, capabilities: DataplaneCapabilities, failures: readonly string[]): Promise<DataplaneRow> {
  const { choices } = await kernelOf(dataplane, { parts: false })
  return dataplaneRow(capabilities, await dataplane.dump(), failures, choices)
}

async function kernelOf(dataplane: Dataplane, wanted?: { readonly parts: boolean }): Promise<KernelInspection> {
  return isInspectable(dataplane) ? dataplane.inspectKernel(wanted) : { choices: [], parts: [] }
}
