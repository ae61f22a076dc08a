import { existsSync } from 'node:fs'
import type { LabTopology } from '../topology.js'
import { attempt } from './command.js'

/** Names of every namespace that a lab makes. */
export function namespacesOf({ provider, nodes, gateway, pods, latePod }: LabTopology): readonly string[] {
  return [provider, ...nodes.map(({ name }) => name), gateway.name, ...pods.map(({ name }) => name), latePod.name]
}

/** Those among `namespaces` that are there. */
export function existing(namespaces: readonly string[]): readonly string[] {
  return namespaces.filter((name) => existsSync(`/run/netns/${name}`))
}

/** Ends, by process id, whatever runs in a namespace that the lab made. */
export async function endProcesses(namespace: string, { except }: { readonly except?: number | undefined } = {}): Promise<void> {
  const { stdout } = await attempt('ip', ['netns', 'pids', namespace])
  for (const pid of stdout.split('\n').filter((line) => line !== '' && Number(line) !== except)) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // it ended meanwhile
    }
  }
}

/** Ends what runs in a namespace, and removes it. */
export async function removeNamespace(name: string): Promise<void> {
  await endProcesses(name)
  await attempt('ip', ['netns', 'del', name])
}
