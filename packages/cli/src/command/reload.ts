import type { ConfigChange } from '@heddle/agent'
import type { NodeChoice } from '../control/find-socket.js'
import { formatChanges } from '../output/changes.js'
import type { Output } from '../output/output.js'
import { ask } from './ask.js'

export interface ReloadCommand extends NodeChoice {
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** `heddle reload`: the configuration is read again; what it changes is printed, and with `--dry-run` only that. */
export async function reload({ dryRun = false, json = false, ...choice }: ReloadCommand, output: Output): Promise<void> {
  const changes = (await ask(choice, 'reload', { dryRun })) as readonly ConfigChange[]
  output.write(json ? `${JSON.stringify(changes, null, 2)}\n` : formatChanges(changes, { colors: output.isTerminal }))
}
