import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'

const DEVICES = '/sys/class/net'

/** The driver of virtio, and how the addresses begin of devices that nobody else uses: those of the machines that `npm run kernels` boots. */
const [DRIVER, MAC] = ['virtio_net', '02:68:64:00:00:']

/** A network device of the machine, which has a driver. */
export interface MachineDevice {
  readonly name: string
  readonly mac: string
}

/** Two devices of this machine that are there for tests, joined by a wire; those that were moved into a namespace come back when that is gone. */
export function machineDevices(): readonly MachineDevice[] {
  return readdirSync(DEVICES)
    .map((name) => ({ name, mac: readFileSync(join(DEVICES, name, 'address'), 'utf8').trim() }))
    .filter(({ name, mac }) => mac.startsWith(MAC) && driverOf(name) === DRIVER)
    .toSorted((a, b) => (a.mac < b.mac ? -1 : 1))
}

function driverOf(name: string): string | undefined {
  try {
    return basename(readlinkSync(join(DEVICES, name, 'device/driver')))
  } catch {
    return undefined // of the kernel's own making
  }
}
