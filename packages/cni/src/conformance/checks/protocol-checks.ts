import { must, type PluginCheck } from '../plugin-check.js'
import type { PluginRun } from '../run-plugin.js'

/** VERSION, the environment, the configuration, and how errors are told. */
export const PROTOCOL_CHECKS: readonly PluginCheck[] = [
  {
    id: 'version.answer',
    level: 'MUST',
    title: 'VERSION answers with the versions that are spoken',
    source: 'CNI 1.1.0, "VERSION"',
    async run(lab) {
      const run = await lab.call('VERSION', undefined)
      must(run.exitCode === 0 && Array.isArray(run.json['supportedVersions']), `answered ${describe(run)}`)
    },
  },
  {
    id: 'version.echo',
    level: 'MUST',
    title: 'VERSION repeats the version that it was asked in',
    source: 'CNI 1.1.0, "VERSION"',
    async run(lab) {
      for (const version of lab.versions) {
        const { json } = await lab.call('VERSION', undefined, { config: { cniVersion: version } })
        must(json['cniVersion'] === version, `asked in ${version}, it said ${String(json['cniVersion'])}`)
      }
    },
  },
  {
    id: 'version.empty-input',
    level: 'de facto',
    title: 'VERSION answers when nothing is on standard input',
    source: 'reference library',
    async run(lab) {
      const run = await lab.call('VERSION', undefined, { input: '' })
      must(run.exitCode === 0 && Array.isArray(run.json['supportedVersions']), `answered ${describe(run)}`)
    },
  },
  {
    id: 'version.newest',
    level: 'SHOULD',
    title: '1.1.0 is spoken',
    source: 'CNI 1.1.0',
    async run(lab) {
      must(lab.versions.includes('1.1.0'), `it speaks ${lab.versions.join(', ')}`)
    },
  },
  {
    id: 'environment.verb',
    level: 'MUST',
    title: 'an unknown verb is an error, code 4',
    source: 'CNI 1.1.0, "Error"',
    async run(lab) {
      refused(await lab.call('NONE', await lab.container()), 4)
    },
  },
  {
    id: 'environment.missing',
    level: 'MUST',
    title: 'each variable that ADD lacks is named, code 4',
    source: 'CNI 1.1.0, "Error": the names of the variables must be in the message',
    async run(lab) {
      const run = await lab.call('ADD', await lab.container(), { environment: { CNI_CONTAINERID: undefined, CNI_IFNAME: undefined } })
      refused(run, 4)
      for (const name of ['CNI_CONTAINERID', 'CNI_IFNAME']) must(textOf(run).includes(name), `it does not name ${name}: ${describe(run)}`)
    },
  },
  {
    id: 'environment.container-id',
    level: 'MUST',
    title: 'a container ID that is none is an error',
    source: 'CNI 1.1.0, "Parameters"',
    async run(lab) {
      refused(await lab.call('ADD', await lab.container(), { environment: { CNI_CONTAINERID: '../x' } }))
    },
  },
  {
    id: 'environment.ifname',
    level: 'MUST',
    title: 'a name that no interface can have is an error',
    source: 'CNI 1.1.0, "Parameters"',
    async run(lab) {
      for (const ifname of ['a/b', '..', 'x'.repeat(16), 'a b']) refused(await lab.call('ADD', await lab.container(), { ifname }))
    },
  },
  {
    id: 'environment.surroundings',
    level: 'de facto',
    title: 'calls work in any folder, with anything else in the environment and whatever Kubernetes puts into CNI_ARGS',
    source: 'runtimes',
    async run(lab) {
      const container = await lab.container()
      const environment = {
        CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;K8S_POD_INFRA_CONTAINER_ID=c;K8S_POD_UID=d',
        CNI_EXAMPLE: 'a=b;c',
        LANG: 'tlh_KX.UTF-8',
        HOME: '/nonexistent',
      }
      await lab.add(container, { environment, cwd: '/proc' })
      await lab.del(container, { environment, cwd: '/proc' })
    },
  },
  {
    id: 'configuration.unknown-field',
    level: 'SHOULD',
    title: 'a field that nobody knows is put up with, or refused with code 2 and its name',
    source: 'CNI 1.1.0, "Configuration format"',
    async run(lab) {
      const run = await lab.call('ADD', await lab.container(), { config: { 'example.com/unknown': { list: [1] } } })
      if (run.exitCode === 0) return
      refused(run, 2)
      must(textOf(run).includes('example.com/unknown'), `it does not name the field: ${describe(run)}`)
    },
  },
  {
    id: 'configuration.undecodable',
    level: 'MUST',
    title: 'a configuration that is no JSON is an error, code 6',
    source: 'CNI 1.1.0, "Error"',
    async run(lab) {
      refused(await lab.call('ADD', await lab.container(), { input: '{' }), 6)
    },
  },
  {
    id: 'configuration.version',
    level: 'MUST',
    title: 'a version that is not spoken is an error, code 1',
    source: 'CNI 1.1.0, "Error"',
    async run(lab) {
      refused(await lab.call('ADD', await lab.container(), { config: { cniVersion: '9.9.9' } }), 1)
    },
  },
  {
    id: 'configuration.name',
    level: 'SHOULD',
    title: 'a configuration without the name of its network is an error, code 7',
    source: 'CNI 1.1.0, "Configuration format"; reference library',
    async run(lab) {
      refused(await lab.call('ADD', await lab.container(), { config: { name: undefined } }), 7)
    },
  },
  {
    id: 'error.version',
    level: 'MUST',
    title: 'an error has the version of the request',
    source: 'CNI 1.1.0, "Error"',
    async run(lab) {
      const container = await lab.container()
      for (const cniVersion of lab.versions) {
        const { json } = await lab.call('ADD', container, { ifname: 'a/b', config: { cniVersion } })
        must(json['cniVersion'] === cniVersion, `in ${cniVersion}, its cniVersion is ${String(json['cniVersion'])}`)
      }
    },
  },
]

/** An error of the protocol: a non-zero exit code, and one document with code and message on standard output. */
export function refused(run: PluginRun, code?: number): void {
  must(run.exitCode !== 0, `it succeeded: ${describe(run)}`)
  must(
    typeof run.json['code'] === 'number' && typeof run.json['msg'] === 'string',
    `it failed without an error on standard output: ${describe(run)}`,
  )
  if (code !== undefined) must(run.json['code'] === code, `its code is ${String(run.json['code'])}, not ${code}: ${describe(run)}`)
}

export function describe({ exitCode, output }: PluginRun): string {
  return `exit ${exitCode}, ${output.length > 300 ? `${output.slice(0, 297)}...` : output.trim() || 'nothing on standard output'}`
}

function textOf({ json }: PluginRun): string {
  return `${String(json['msg'])} ${String(json['details'])}`
}
