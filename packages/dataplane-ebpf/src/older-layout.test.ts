import { LinuxError, type Netlink } from '@heddle/linux'
import { expect, it } from 'vitest'
import { deleteUnclaimed } from './older-layout.js'
import { hostNamesOf } from './device/written-devices.js'

/** A netlink with these links; deleting one of them says what is given. @param deleted indexes, in order */
function fake(links: readonly (readonly [string, number, string])[], deleted: number[], refusals: ReadonlyMap<number, string>): Netlink {
  const list = async (): Promise<unknown> => Promise.resolve(links.map(([name, index, kind]) => ({ name, index, kind })))
  const remove = async (index: number): Promise<void> => {
    deleted.push(index)
    const code = refusals.get(index)
    if (code !== undefined) throw new LinuxError(code, 1, `delete link ${index}`, 'refused')
    return Promise.resolve()
  }
  return { links: { list, delete: remove } } as unknown as Netlink
}

const UPLINK = 61
/** One of them made by an earlier release. */
const LEFT = [0, 35, 901].map((port, at) => [hostNamesOf(UPLINK, port)[at === 2 ? 1 : 0], 100 + at, at === 1 ? 'netkit' : 'veth'] as const)

// The first one that had gone made the end of it, and of `close()`.
it('deletes every device that is left when one goes meanwhile', async () => {
  const deleted: number[] = []
  await deleteUnclaimed(fake(LEFT, deleted, new Map([[100, 'ENODEV']])), UPLINK)
  expect(deleted).toEqual([100, 101, 102])
})

it('deletes the others before it says which one cannot be deleted', async () => {
  const deleted: number[] = []
  await expect(deleteUnclaimed(fake(LEFT, deleted, new Map([[100, 'EBUSY']])), UPLINK)).rejects.toThrow('delete link 100')
  expect(deleted).toEqual([100, 101, 102])
})

it("leaves other links, and devices that may be another uplink's", async () => {
  // `hd1pp1` was port 1 of uplink `1p`, which is 61, or port 901 of uplink 1.
  const [[name, former], [othersName, othersFormer]] = [hostNamesOf(UPLINK, 1), hostNamesOf(1, 901)]
  expect(former).toBe(othersFormer)
  expect(name).not.toBe(othersName)
  const [shared, deleted] = [[former, 200, 'veth'] as const, [] as number[]]
  const others = [
    ['hd1pp2', 201, 'dummy'],
    ['eth0', 202, 'veth'],
    [hostNamesOf(62, 1)[0], 203, 'veth'],
    [hostNamesOf(62, 1)[1], 204, 'veth'],
    [othersName, 205, 'veth'],
  ] as const
  await deleteUnclaimed(fake([...others, shared, ['up', 1, 'dummy']], deleted, new Map()), UPLINK)
  expect(deleted).toEqual([])
  await deleteUnclaimed(fake([...others, shared], deleted, new Map()), UPLINK)
  expect(deleted).toEqual([200])
})
