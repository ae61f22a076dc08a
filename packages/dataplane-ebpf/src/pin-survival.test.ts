import { describe, expect, it } from 'vitest'
import { outliveNamespace, type PinMounts } from './pin-survival.js'

/** A mount as `/proc/PID/mountinfo` has it. */
const mount = (id: number, parent: number, device: string, place: string, ...tags: readonly string[]): string =>
  `${[id, parent, device, '/', place, 'rw,relatime', ...tags, '-'].join(' ')} bpf bpf rw,mode=700`

const PINS = { id: 90, device: '0:61' } as const
/** Mounts of a process whose pins lie on a mount that propagates in some way. */
const beneath = (...tags: readonly string[]): string =>
  [
    mount(20, 1, '254:0', '/'),
    mount(50, 20, '0:24', '/run', ...tags),
    // What was made on a mount that is shared is so itself, whoever else is in the group.
    mount(PINS.id, 50, PINS.device, '/run/heddle/n.state.bpf', ...tags.filter((tag) => tag.startsWith('shared'))),
    '',
  ].join('\n')
const HOST = [mount(21, 1, '254:0', '/', 'shared:1'), mount(25, 21, '0:24', '/run', 'shared:5'), ''].join('\n')
const HOST_WITH_PINS = `${HOST}${mount(88, 25, PINS.device, '/run/heddle/n.state.bpf', 'shared:40')}\n`

describe('pins outlive the mount namespace of their process', () => {
  const row = (name: string, outlives: boolean, own: string, isMade: boolean, hosts?: string): [string, boolean, PinMounts] => [
    name,
    outlives,
    { id: PINS.id, isMade, own, hosts },
  ]
  it.each([
    row('on the host itself, whose mounts are shared', true, beneath('shared:5'), true, HOST_WITH_PINS),
    row('on the host itself, whose mounts are private', true, beneath(), true, HOST_WITH_PINS),
    row('on the host itself, for a process that may not look at process 1', true, beneath('shared:5'), true),
    row('in a unit with a namespace of its own', false, beneath('shared:9', 'master:5'), true, HOST),
    row('in such a unit that may not look at process 1', false, beneath('shared:9', 'master:5'), true),
    row('in such a unit with MountFlags=slave', false, beneath('master:5'), true),
    row('in such a unit, where they lie on a file system of the host', true, beneath('shared:9', 'master:5'), false, HOST_WITH_PINS),
    row('in a unit with a BPF file system of its own', false, beneath('shared:9', 'master:5'), false, HOST),
    row('in a container, with a volume whose mounts stay inside', false, beneath(), true),
    row('in a container, with one that gets mounts of the host', false, beneath('master:5'), true),
    row('in a container, with one whose mounts reach the host', true, beneath('shared:5'), true),
    row('in a container, on a file system of the host', true, beneath(), false),
    row('in a container with process numbers of the host, with a volume whose mounts stay inside', false, beneath(), true, HOST),
    row('in a container with process numbers of the host, on a file system of the host', true, beneath(), false, HOST_WITH_PINS),
    row('where the mount is not to be found', true, HOST, true, HOST),
  ])('%s: %j', (_, outlives, mounts) => {
    expect(outliveNamespace(mounts)).toBe(outlives)
  })
})
