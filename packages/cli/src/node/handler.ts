import { endpointRow, type ConfigChange, type ViewName } from '@heddle/agent'
import { bgpRequest } from '../bgp/bgp-request.js'
import { bgpStream } from '../bgp/bgp-stream.js'
import { ControlError, type ControlHandler } from '../control/protocol.js'
import { VIEW_NAMES } from '../output/view-names.js'
import { captureRequest, traceRequest } from '../observe/observe-request.js'
import { captureStream, traceStream } from '../observe/observe-stream.js'
import { endpointName, endpointRequest } from './endpoint-params.js'
import type { NodeHandle, ReloadOptions, RoleHandle } from './role-handle.js'

/** What the process that runs a node lets its control socket do. */
export interface ProcessControls {
  /** Of the program, for `info`. */
  readonly version: string
  /** Reads the configuration again and says what changes; with `dryRun` nothing does. @throws ConfigError, AgentError */
  reload(options: ReloadOptions): Promise<readonly ConfigChange[]>
  /** Ends the process soon, after the answer. */
  stop(options: { readonly restart: boolean }): void
}

/**
 * Answers the requests of the control protocol for a node that is starting or running. What it refuses it throws with a `code`: ControlError
 * `control.method` and `control.params`, and what the node throws.
 */
export function handlerFor(starting: Promise<RoleHandle>, controls: ProcessControls): ControlHandler {
  return async (method, params, signal) => {
    const handle = await starting
    const fields = (typeof params === 'object' && params !== null ? params : {}) as Readonly<Record<string, unknown>>
    switch (method) {
      case 'show':
        return handle.show(viewOf(fields.what))
      case 'metrics':
        return nodeOf(handle).metrics()
      case 'bgp':
        return bgpStream(handle.speaker, bgpRequest(params), signal)
      case 'endpoint.add':
        return endpointRow(await nodeOf(handle).endpoints.add(endpointRequest(params), signal))
      case 'endpoint.del':
        await nodeOf(handle).endpoints.remove(endpointName(params), signal)
        return {}
      case 'explain':
        return nodeOf(handle).explain(fields)
      case 'trace':
        return traceStream(nodeOf(handle), traceRequest(params), signal)
      case 'capture':
        return captureStream(nodeOf(handle), captureRequest(params), signal)
      case 'reload':
        return controls.reload({ dryRun: fields.dryRun === true })
      case 'stop':
        setImmediate(() => controls.stop({ restart: fields.restart === true }))
        return {}
      case 'info':
        return { name: handle.name, role: handle.role, version: controls.version, pid: process.pid }
      default:
        throw new ControlError('control.method', `no method ${JSON.stringify(method)}`)
    }
  }
}

function viewOf(value: unknown): ViewName {
  const name = VIEW_NAMES.find((known) => known === value)
  if (name === undefined)
    throw new ControlError('control.params', `what: found ${JSON.stringify(value)}; allowed: ${VIEW_NAMES.join(', ')}`)
  return name
}

function nodeOf(handle: RoleHandle): NodeHandle {
  if (handle.role !== 'node')
    throw new ControlError('control.method', `${handle.name} is a speaker: it has no VRFs, endpoints and dataplane`)
  return handle
}
