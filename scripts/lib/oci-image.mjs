// Images of containers from files, without a registry: OCI archives, which `ctr images import` and `podman load` take.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * Writes an archive with an image of one layer.
 * @param {string} archive path
 * @param {object} image
 * @param {readonly string[]} image.names references, such as `localhost/pause:1`
 * @param {readonly string[]} image.entrypoint
 * @param {Readonly<Record<string, string>>} image.files path inside to a file of this machine
 * @param {Readonly<Record<string, string>>} [image.links] path inside to what it leads to
 */
export function writeImage(archive, { names, entrypoint, files, links = {} }) {
  const work = mkdtempSync(join(tmpdir(), 'heddle-image-'))
  try {
    const layer = tarOf(layerFolder(join(work, 'layer'), files, links), join(work, 'layer.tar'))
    const config = json({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config: { Entrypoint: entrypoint, Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
      history: [{ created_by: 'heddle' }],
    })
    const manifest = json({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: descriptorOf('config.v1+json', config),
      layers: [descriptorOf('layer.v1.tar', layer)],
    })
    const manifests = names.map((name) => ({
      ...descriptorOf('manifest.v1+json', manifest),
      annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name },
    }))
    const blobs = join(work, 'image', 'blobs', 'sha256')
    mkdirSync(blobs, { recursive: true })
    for (const blob of [layer, config, manifest]) writeFileSync(join(blobs, digestOf(blob).slice('sha256:'.length)), blob)
    writeFileSync(join(work, 'image', 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    writeFileSync(join(work, 'image', 'index.json'), json({ schemaVersion: 2, manifests }))
    mkdirSync(dirname(archive), { recursive: true })
    tarOf(join(work, 'image'), archive)
  } finally {
    rmSync(work, { recursive: true })
  }
}

/** The image that keeps a pod's namespaces, from a C compiler alone. @param {string} archive @param {readonly string[]} names */
export function writePauseImage(archive, names) {
  const work = mkdtempSync(join(tmpdir(), 'heddle-pause-'))
  try {
    const program = join(work, 'pause')
    execFileSync('cc', ['-O2', '-static', '-x', 'c', '-o', program, '-'], { input: PAUSE })
    writeImage(archive, { names, entrypoint: ['/pause'], files: { '/pause': program } })
  } finally {
    rmSync(work, { recursive: true })
  }
}

const PAUSE = `#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int s) { (void)s; _exit(0); }
static void reap(int s) { (void)s; while (waitpid(-1, 0, WNOHANG) > 0); }
int main(void) { signal(SIGINT, end); signal(SIGTERM, end); signal(SIGCHLD, reap); for (;;) pause(); }
`

/** @param {string} folder @param {Readonly<Record<string, string>>} files @param {Readonly<Record<string, string>>} links */
function layerFolder(folder, files, links) {
  for (const one of ['etc', 'tmp', 'proc', 'sys', 'dev', 'bin', 'var/run']) mkdirSync(join(folder, one), { recursive: true })
  for (const [path, source] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    cpSync(source, join(folder, path), { recursive: true, dereference: true })
  }
  for (const [path, target] of Object.entries(links)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    symlinkSync(target, join(folder, path))
  }
  return folder
}

/** @param {string} folder @param {string} archive */
function tarOf(folder, archive) {
  execFileSync('tar', ['-C', folder, '--owner=0', '--group=0', '--sort=name', '-cf', archive, '.'])
  return readFileSync(archive)
}

/** @param {string} kind @param {Uint8Array | string} blob */
function descriptorOf(kind, blob) {
  return { mediaType: `application/vnd.oci.image.${kind}`, digest: digestOf(blob), size: Buffer.byteLength(blob) }
}

/** @param {Uint8Array | string} blob */
function digestOf(blob) {
  return `sha256:${createHash('sha256').update(blob).digest('hex')}`
}

/** @param {unknown} value */
function json(value) {
  return JSON.stringify(value)
}
