// Packages of the operating system that some suites and the real demo need: printed first, installed only as root on Debian.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { step, tryRun } from './bootstrap.mjs'

const POLICY = '/usr/sbin/policy-rc.d'

/** Package to a file that shows it is there. */
export const SYSTEM_PACKAGES = {
  iproute2: '/usr/sbin/ip',
  'iputils-ping': '/usr/bin/ping',
  ethtool: '/usr/sbin/ethtool',
  iperf3: '/usr/bin/iperf3',
  frr: '/usr/lib/frr/bgpd',
  gobgpd: '/usr/bin/gobgpd',
  bird2: '/usr/sbin/bird',
  openbgpd: '/usr/sbin/bgpd',
  exabgp: '/usr/sbin/exabgp',
  tshark: '/usr/bin/tshark',
  bgpdump: '/usr/bin/bgpdump',
  stayrtr: '/usr/bin/stayrtr',
  'containernetworking-plugins': '/usr/lib/cni/host-local',
  nftables: '/usr/sbin/nft',
  containerd: '/usr/bin/containerd',
  runc: '/usr/sbin/runc',
  podman: '/usr/bin/podman',
  openssl: '/usr/bin/openssl',
  'linux-libc-dev-arm64-cross': '/usr/aarch64-linux-gnu/include/asm/types.h',
  clang: '/usr/bin/clang',
  'libbpf-dev': '/usr/include/bpf/bpf_helpers.h',
  'qemu-system-x86': '/usr/bin/qemu-system-x86_64',
  'dnsmasq-base': '/usr/sbin/dnsmasq',
  iptables: '/usr/sbin/iptables',
  'busybox-static': '/usr/bin/busybox',
  kmod: '/usr/sbin/depmod',
  cpio: '/usr/bin/cpio',
  'xz-utils': '/usr/bin/xz',
}

/** @param {(keyof typeof SYSTEM_PACKAGES)[]} names */
export function missingSystemPackages(names) {
  return names.filter((name) => {
    const path = SYSTEM_PACKAGES[name]
    return !existsSync(path) && !existsSync(path.replace('/usr/', '/'))
  })
}

export function isDebian() {
  return process.platform === 'linux' && existsSync('/etc/debian_version') && existsSync('/usr/bin/apt-get')
}

export function isRoot() {
  return process.getuid?.() === 0
}

/**
 * Installs what is missing where that may be done, and returns what is missing then.
 * @param {(keyof typeof SYSTEM_PACKAGES)[]} names @param {{ install: boolean }} options
 */
export function ensureSystemPackages(names, { install }) {
  const missing = missingSystemPackages(names)
  if (missing.length === 0 || process.platform !== 'linux') return missing
  const line = `apt-get install --no-install-recommends ${missing.join(' ')}`
  step(`System packages that are missing: ${missing.join(' ')}`)
  if (!install || !isDebian() || !isRoot()) {
    console.error(`  not installed here (${!install ? '--no-install' : isDebian() ? 'not root' : 'not Debian'}); on Debian: ${line}`)
    return missing
  }
  console.error(`  ${line}`)
  withoutServices(() => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    tryRun('apt-get', ['update', '-qq'], { env, stdio: ['ignore', 2, 2] })
    tryRun('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  })
  return missingSystemPackages(names)
}

/** Keeps packages from starting their services while `action` runs (invoke-rc.d's policy layer). @param {() => void} action */
function withoutServices(action) {
  if (existsSync(POLICY)) return action()
  const ours = '#!/bin/sh\n# written while packages are installed, removed afterwards\nexit 101\n'
  const restore = () => {
    if (existsSync(POLICY) && readFileSync(POLICY, 'utf8') === ours) rmSync(POLICY)
  }
  const interrupted = () => {
    restore()
    process.exit(130)
  }
  writeFileSync(POLICY, ours, { mode: 0o755 })
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  try {
    action()
  } finally {
    restore()
    process.removeListener('SIGINT', interrupted)
    process.removeListener('SIGTERM', interrupted)
  }
}

/** Whether `command` runs at all. @param {string} command @param {string[]} args */
export function works(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}
