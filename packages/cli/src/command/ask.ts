import { ControlClient } from '../control/client.js'
import { findSocket, type NodeChoice } from '../control/find-socket.js'

/**
 * Asks a running node one thing.
 *
 * @throws ControlError when it cannot be reached, RefusedError when it refuses
 */
export async function ask(choice: NodeChoice, method: string, params: unknown = {}): Promise<unknown> {
  const client = await ControlClient.connect(await findSocket(choice))
  try {
    return await client.request(method, params)
  } finally {
    await client.close()
  }
}
