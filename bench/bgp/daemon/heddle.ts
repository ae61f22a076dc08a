import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../harness/machine.ts'
import { PROBE_ARGS } from '../probe/probed.ts'
import { AS, CONFIG_FILE, type Reflector } from './reflector.ts'

const PACKAGE = join(root, 'packages', 'heddle')
/** Name of the control socket in the daemon's directory. */
export const SOCKET = 'heddle.sock'
export const executableOfHeddle = join(PACKAGE, 'bin', 'heddle.js')
const FAMILY = { ipv4: 'ipv4-unicast', vpnv4: 'vpnv4-unicast' } as const

/** `heddle speaker`, as built. */
export const heddle: Reflector = {
  name: 'Heddle',
  executable: process.execPath,
  version: () => (JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as { version: string }).version,
  note: 'the whole process of `heddle speaker` on Node, with a timer every 10 ms in it that measures how late timers are',
  probed: true,
  start: ({ address, port, family, clients, directory }) => ({
    config: JSON.stringify({
      node: { name: 'reflector', address },
      socket: join(directory, SOCKET),
      bgp: {
        as: AS,
        listen: [{ address, port }],
        neighbors: clients.map((client) => ({
          address: client,
          as: AS,
          families: [FAMILY[family.name]],
          passive: true,
          routeReflectorClient: true,
        })),
      },
    }),
    args: [...PROBE_ARGS, executableOfHeddle, 'speaker', '--config', join(directory, CONFIG_FILE)],
  }),
}
