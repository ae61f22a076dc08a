import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { installCni, serveCni, uninstallCni, type CniInstallOptions, type CniListener } from '../src/node/index.js'

let folder: string
let listener: CniListener | undefined
let options: CniInstallOptions
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-cni-install-'))
  await writeFile(join(folder, 'client'), 'program')
  options = {
    binFolder: join(folder, 'bin'),
    configFolder: join(folder, 'net.d'),
    socket: join(folder, 'cni.sock'),
    client: join(folder, 'client'),
    config: { network: 'red', capabilities: { ips: true } },
    chain: [{ type: 'portmap', capabilities: { portMappings: true } }],
  }
})
afterEach(async () => {
  await listener?.close()
  listener = undefined
  await rm(folder, { recursive: true })
})
const serve = async (): Promise<void> => {
  listener = await serveCni({ handle: async () => ({ exitCode: 0, output: '' }) }, options.socket)
}

/** Every file with its content. */
async function files(): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const part of ['bin', 'net.d']) {
    for (const name of await readdir(join(folder, part)).catch(() => []))
      found[`${part}/${name}`] = await readFile(join(folder, part, name), 'utf8')
  }
  return found
}

describe('installation', () => {
  it('waits for an agent, and changes nothing before', async () => {
    await expect(installCni(options)).rejects.toMatchObject({ name: 'CniInstallError', code: 'cni.not-served' })
    expect(await files()).toEqual({})
  })

  it('puts the executable and then the configuration, which a runtime can read', async () => {
    await serve()
    const { executable, configuration, kept } = await installCni(options)
    expect([(await stat(executable)).mode & 0o777, (await stat(configuration)).mode & 0o777, kept]).toEqual([0o755, 0o600, []])
    expect(JSON.parse(await readFile(configuration, 'utf8'))).toEqual({
      // Runtimes that do not know `cniVersions` refuse results of 1.1.0: containerd 1, podman 4.
      cniVersion: '1.0.0',
      cniVersions: ['0.3.1', '0.4.0', '1.0.0', '1.1.0'],
      name: 'heddle',
      plugins: [
        { type: 'heddle-cni', network: 'red', capabilities: { ips: true }, socket: options.socket },
        { type: 'portmap', capabilities: { portMappings: true } },
      ],
    })
    expect(Object.keys(await files())).toEqual(['bin/heddle-cni', 'bin/loopback', 'net.d/00-heddle.conflist'])
    await uninstallCni(options)
    await uninstallCni(options)
    expect(await files()).toEqual({})
  })

  it('asks runtimes for what they have to give, unless the configuration says otherwise', async () => {
    await serve()
    const { configuration } = await installCni({ ...options, config: { network: 'red' }, chain: [] })
    expect(JSON.parse(await readFile(configuration, 'utf8'))).toMatchObject({
      plugins: [{ capabilities: { ips: true, bandwidth: true, 'io.kubernetes.cri.pod-annotations': true } }],
    })
  })

  it('has no configuration in force while the executable is not there, neither before nor behind it', async () => {
    await serve()
    const obstacle = join(folder, 'bin/heddle-cni.heddle-new')
    await mkdir(join(obstacle, 'x'), { recursive: true })
    await expect(installCni(options)).rejects.toMatchObject({ code: 'cni.install' })
    expect(await readdir(join(folder, 'net.d'))).toEqual([])
    await rm(obstacle, { recursive: true })
    const { executable } = await installCni(options)
    await rm(executable)
    await mkdir(join(executable, 'x'), { recursive: true })
    await expect(uninstallCni(options)).rejects.toMatchObject({ code: 'cni.install' })
    expect(await readdir(join(folder, 'net.d'))).toEqual([])
  })

  it('keeps what was there before, through any number of installations, and restores it', async () => {
    await serve()
    await mkdir(join(folder, 'bin'))
    await mkdir(join(folder, 'net.d'))
    const before = {
      'bin/heddle-cni': 'another',
      'bin/loopback': 'of the reference plugins',
      'bin/portmap': 'x',
      'net.d/00-a.conf': 'wins over ours',
      'net.d/00-heddle.conflist': 'of our name',
      'net.d/10-calico.conflist': 'comes later',
      'net.d/README': 'is no configuration',
    }
    for (const [name, content] of Object.entries(before)) await writeFile(join(folder, name), content)
    const { kept } = await installCni(options)
    expect(kept.map((path) => path.slice(folder.length + 1))).toEqual(['bin/heddle-cni', 'net.d/00-a.conf', 'net.d/00-heddle.conflist'])
    const [first] = (await readdir(join(folder, 'net.d'))).filter((name) => /\.(conf|conflist|json)$/.test(name)).toSorted()
    expect(first).toBe('00-heddle.conflist')
    await writeFile(join(folder, 'client'), 'newer')
    expect((await installCni(options)).kept).toEqual([])
    expect((await files())['bin/heddle-cni']).toBe('newer')
    await uninstallCni(options)
    expect(await files()).toEqual(before)
  })

  it('that is cut short anywhere can be done again and taken back', async () => {
    await serve()
    await mkdir(join(folder, 'net.d'))
    await writeFile(join(folder, 'net.d/00-a.conf'), 'former')
    // The executable is there and the rival is moved aside, but the configuration is not written; a side file is left.
    await installCni(options)
    await rm(join(folder, 'net.d/00-heddle.conflist'))
    await writeFile(join(folder, 'net.d/00-heddle.conflist.heddle-new'), '{"half')
    await installCni(options)
    expect(Object.keys(await files())).toContain('net.d/00-heddle.conflist')
    await uninstallCni(options)
    expect(await files()).toEqual({ 'net.d/00-a.conf': 'former' })
  })

  it('names what it cannot do', async () => {
    await serve()
    await writeFile(join(folder, 'plain'), '')
    await expect(installCni({ ...options, binFolder: join(folder, 'plain') })).rejects.toMatchObject({ code: 'cni.install' })
    await expect(installCni({ ...options, client: join(folder, 'none') })).rejects.toMatchObject({ code: 'cni.install' })
  })
})
