// A Debian kernel booted by qemu in software, with this machine's files as its root: for what another kernel does to the same programs.
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { makeGuestFolder, sweepGuestFolders } from './guest-folders.mjs'

/** What the tests need that Debian's cloud kernels have as modules; one that a kernel lacks, or has built in, is left out. */
const MODULES =
  'virtio_pci virtiofs virtio_net veth vxlan tun sch_ingress cls_bpf act_bpf af_packet mpls_router mpls_iptunnel mpls_gso vrf fou fou6 ipip ip_gre ip6_tunnel ip6_gre netkit 8021q dummy bridge nf_conntrack nf_tables nft_numgen'

/** Processors of a guest, which take turns on one of the machine's, and its memory in MiB. */
const GUEST_CPUS = 2
export const GUEST_MEMORY = 3072

/** Says the end of what ran in a guest, and how it ended. */
const END = 'heddle-guest-ended-with '

/**
 * Builds what the kernel starts from: busybox, modules, and a script that mounts this machine's files and runs the command.
 *
 * @param {string} folder where the kernel's package was unpacked
 * @param {string} version of the kernel, as its modules' folder is named
 * @param {readonly string[]} command run in the working folder, in the guest
 * @param {string} into file
 */
function makeInitramfs(folder, version, command, into) {
  const root = makeGuestFolder('initramfs')
  try {
    for (const name of ['bin', 'proc', 'sys', 'dev', 'host', 'modules', 'project']) mkdirSync(join(root, name))
    copyFileSync('/bin/busybox', join(root, 'bin/busybox'))
    const modules = closureOf(folder, version)
    const names = modules.map((path) => {
      const packed = join(folder, 'lib/modules', version, path)
      const name = basename(path).replace(/\.xz$/, '')
      const octets = path.endsWith('.xz') ? execFileSync('xz', ['-dc', packed], { maxBuffer: 1 << 28 }) : readFileSync(packed)
      writeFileSync(join(root, 'modules', name), octets)
      return name
    })
    writeFileSync(join(root, 'init'), initScript(names, command))
    chmodSync(join(root, 'init'), 0o755)
    execFileSync('sh', ['-c', `find . | cpio -o -H newc --quiet | gzip -1 > '${into}'`], { cwd: root })
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** Paths of the wanted modules below the modules' folder, each behind those that it needs. @param {string} folder @param {string} version */
function closureOf(folder, version) {
  const base = join(folder, 'lib/modules', version)
  execFileSync('depmod', ['-b', folder, version], { stdio: 'ignore' })
  const needs = new Map(
    readFileSync(join(base, 'modules.dep'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => {
        const [path, rest = ''] = line.split(':')
        return [path, rest.trim().split(' ').filter(Boolean)]
      }),
  )
  /** @type {string[]} */
  const found = []
  for (const name of MODULES.split(' ')) {
    const path = [...needs.keys()].find((candidate) => basename(candidate).replace(/\.ko(\.xz)?$/, '') === name)
    // `modules.dep` names the nearest first.
    if (path !== undefined) found.push(...(needs.get(path) ?? []).toReversed(), path)
  }
  return [...new Set(found)]
}

/** The project's folder is shown again where the guest's own temporary files hide it. @param {readonly string[]} modules @param {readonly string[]} command */
function initScript(modules, command) {
  const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  return `#!/bin/busybox sh
export PATH=/bin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in ${modules.join(' ')}; do /bin/busybox insmod /modules/$module 2>/dev/null; done
/bin/busybox mount -t virtiofs host /host || /bin/busybox poweroff -f
for folder in proc sys dev; do /bin/busybox mount -o bind /$folder /host/$folder; done
/bin/busybox mkdir -p /host/dev/pts /host/dev/shm /host/dev/net
/bin/busybox mount -t devpts devpts /host/dev/pts
/bin/busybox mount -t tmpfs tmpfs /host/dev/shm
/bin/busybox mount -t tmpfs tmpfs /host/run
/bin/busybox mount -o bind '/host${process.cwd()}' /project
/bin/busybox mount -t tmpfs tmpfs /host/tmp
/bin/busybox mkdir -p '/host${process.cwd()}' && /bin/busybox mount -o bind /project '/host${process.cwd()}'
/bin/busybox ip link set lo up
/bin/busybox chroot /host /bin/sh -c "export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; cd '${process.cwd()}'; ${quoted.replaceAll('"', '\\"')}; echo ${END}\\$?"
/bin/busybox poweroff -f
`
}

/**
 * Boots a kernel and runs a command in it.
 *
 * @param {{ folder: string, version: string, image: string, command: readonly string[], timeout: number, print: (text: string) => void }} options
 *   timeout: seconds
 * @returns {Promise<number | undefined>} the command's exit status; undefined when it did not end by itself
 */
export async function runInGuest({ folder, version, image, command, timeout, print }) {
  sweepGuestFolders()
  const work = makeGuestFolder('guest')
  const socket = join(work, 'files.sock')
  const initramfs = join(work, 'initramfs.gz')
  /** @type {import('node:child_process').ChildProcess[]} */
  const children = []
  const stop = () => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(work, { recursive: true, force: true })
  }
  process.once('exit', stop)
  try {
    makeInitramfs(folder, version, command, initramfs)
    // Nobody but the guest is to change files that it has read: it need not ask again.
    const share = [`--socket-path=${socket}`, '-o', 'source=/', '-o', 'cache=always', '-o', 'sandbox=chroot']
    children.push(spawnTied('/usr/lib/qemu/virtiofsd', share, { stdio: 'ignore' }))
    await until(() => existsSync(socket))
    const machine = spawnTied('qemu-system-x86_64', machineOptions(image, initramfs, socket), { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(machine)
    const timer = setTimeout(() => machine.kill('SIGKILL'), timeout * 1000)
    /** @type {number | undefined} */
    let status
    let rest = ''
    machine.stdout?.setEncoding('utf8').on('data', (chunk) => {
      rest += chunk
      const lines = rest.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const at = line.indexOf(END)
        if (at >= 0) status = Number(line.slice(at + END.length))
        else print(line.trimEnd())
      }
    })
    await new Promise((resolve) => machine.once('close', resolve))
    clearTimeout(timer)
    return status
  } finally {
    process.removeListener('exit', stop)
    stop()
  }
}

/**
 * Starts what the kernel ends with this process: one that is killed, or ends by a signal that it does not handle, ends nothing itself.
 *
 * @param {string} program @param {string[]} words @param {import('node:child_process').SpawnOptions} options
 */
function spawnTied(program, words, options) {
  return spawn('setpriv', ['--pdeathsig', 'KILL', program, ...words], options)
}

/** @param {string} image @param {string} initramfs @param {string} socket */
function machineOptions(image, initramfs, socket) {
  const memory = `${GUEST_MEMORY}M`
  // Emulated protection keys ended processes of Node, which guards its compiled code by them: SIGTRAP or SIGSEGV in one of several runs. Processors that run at
  // once see code that is changed meanwhile half changed: kernels, which switch branches by writing code, died of it, and processes of Node, which compiles.
  const machine = `-accel tcg,thread=single -cpu max,la57=off,pku=off -m ${memory} -smp ${GUEST_CPUS} -nographic -no-reboot -kernel ${image} -initrd ${initramfs}`
  const files = `-object memory-backend-memfd,id=mem,size=${memory},share=on -numa node,memdev=mem -chardev socket,id=files,path=${socket}`
  // Two network devices on one wire, for what a driver does that a veth only stands for; tests know them by their addresses.
  const devices = ['01', '02'].map(
    (end) => `-netdev hubport,id=net${end},hubid=0 -device virtio-net-pci,netdev=net${end},romfile=,mac=02:68:64:00:00:${end}`,
  )
  const words = `${machine} ${files} -device vhost-user-fs-pci,chardev=files,tag=host ${devices.join(' ')}`.split(' ')
  return [...words, '-append', 'console=ttyS0 quiet panic=-1 mitigations=off']
}

/** @param {() => boolean} holds */
async function until(holds) {
  for (let turns = 0; turns < 500 && !holds(); turns++) await new Promise((resolve) => setTimeout(resolve, 20))
  if (!holds()) throw new Error('virtiofsd does not start')
}

/**
 * Finds the kernel of an unpacked package.
 *
 * @param {string} folder
 * @returns {{ version: string, image: string }}
 */
export function kernelIn(folder) {
  const [version] = readdirSync(join(folder, 'lib/modules'))
  // beside its modules in newer packages
  const image = [join(folder, 'boot', `vmlinuz-${version}`), join(folder, 'lib/modules', version, 'vmlinuz')].find((path) =>
    existsSync(path),
  )
  if (image === undefined) throw new Error(`${folder} has no kernel`)
  return { version, image }
}

/** @param {string} path */
export function emptied(path) {
  rmSync(path, { recursive: true, force: true })
  mkdirSync(dirname(path), { recursive: true })
  mkdirSync(path)
  return path
}
