import { spawn } from 'node:child_process'

/** A plugin as a runtime knows it. */
export interface Plugin {
  /** Its executable. */
  readonly file: string
  /** Folders of the plugins that it delegates to. */
  readonly path: string
  readonly config: Readonly<Record<string, unknown>>
}

export interface PodPlace {
  readonly id: string
  readonly netns: string
}

/** Calls a plugin for a container as a runtime does; the time it took, milliseconds. @throws TypeError with what it said when it fails */
export async function callPlugin(verb: 'ADD' | 'DEL', { file, path, config }: Plugin, { id, netns }: PodPlace): Promise<number> {
  const env = { CNI_COMMAND: verb, CNI_CONTAINERID: id, CNI_NETNS: netns, CNI_IFNAME: 'eth0', CNI_PATH: path, PATH: '/usr/sbin:/usr/bin' }
  const begin = performance.now()
  const child = spawn(file, { env, stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stdin.end(JSON.stringify(config))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new TypeError(`${verb} of ${file} for ${id}: ${output}`)
  return performance.now() - begin
}
