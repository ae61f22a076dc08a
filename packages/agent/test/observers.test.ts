import { DataplaneError, type InspectableDataplane, type TraceIntent, type TracedPacket } from '@heddle/core'
import { withTrace, type MemoryDataplane } from '@heddle/dataplane-memory'
import { describe, expect, it, vi } from 'vitest'
import { endpoint, Overlay } from './support/overlay.js'

const A = '192.0.2.1'

describe('traces', () => {
  // The dataplane refused each transaction while there was one too many: no endpoint could come, and no route go.
  it('beyond what the dataplane takes at once are refused, and everything else is programmed', async () => {
    const overlay = new Overlay()
    const dataplane = overlay.dataplane(A, { limits: { traces: 1 } })
    const agent = await overlay.agent(overlay.config(A), dataplane)
    const end = new AbortController()
    const next = (intent: TraceIntent): Promise<IteratorResult<TracedPacket>> =>
      agent.trace(intent, end.signal)[Symbol.asyncIterator]().next()
    const first = next({ vrf: 'red' })
    const same = next({ vrf: 'red' })
    await expect(next({ protocol: 6 })).rejects.toMatchObject({
      code: 'agent.unsupported',
      message: expect.stringContaining('takes 1 traces at once') as string,
    })
    expect(await agent.endpoints.add(endpoint('pod', 'red', '10.0.0.1'))).toMatchObject({ state: 'attached' })
    expect((await dataplane.dump()).traces).toMatchObject([{ filter: { vrf: expect.any(Number) as number } }])
    end.abort()
    expect(await Promise.all([first, same])).toMatchObject([{ done: true }, { done: true }])
    const other = new AbortController()
    const later = agent.trace({ protocol: 6 }, other.signal)[Symbol.asyncIterator]().next()
    await agent.endpoints.add(endpoint('other', 'red', '10.0.0.2'))
    expect((await dataplane.dump()).traces).toMatchObject([{ filter: { protocol: 6 } }])
    other.abort()
    expect(await later).toMatchObject({ done: true })
    await overlay.stop(agent)
  })
})

// They waited without a word for what the dataplane did not do.
it('live packets that the dataplane refuses to tell of are refused, with its reason, and nothing of them stays', async () => {
  const overlay = new Overlay()
  const plane = overlay.dataplane(A)
  const apply: MemoryDataplane['apply'] = async (transaction) => {
    const { traces = { set: [], remove: [] }, mirrors = { set: [], remove: [] } } = transaction
    const failures = [
      ...traces.set.map(
        ({ id }) => ({ object: { kind: 'trace', key: String(id) }, code: 'dataplane.device', message: 'no memory' }) as const,
      ),
      ...mirrors.set.map(
        ({ id }) => ({ object: { kind: 'mirror', key: String(id) }, code: 'dataplane.device', message: 'no memory' }) as const,
      ),
    ]
    const report = await plane.apply({ ...transaction, traces: { ...traces, set: [] }, mirrors: { ...mirrors, set: [] } })
    return report.status === 'refused' ? report : { ...report, failures: [...report.failures, ...failures] }
  }
  const pod = endpoint('pod', 'red', '10.0.0.1')
  const config = overlay.config(A, { endpoints: [pod], neighbors: [] })
  const agent = await overlay.agent(config, { ...withTrace(plane, () => undefined), apply })
  for (const [looked, object] of [
    [agent.trace({ vrf: 'red' }), 'trace 0'],
    [agent.capture(pod), 'mirror 0'],
  ] as const) {
    await expect(looked[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'agent.unsupported',
      message: `the dataplane memory did not take it: ${object}: no memory (dataplane.device) (agent.unsupported)`,
    })
  }
  expect(await agent.show('dataplane')).toMatchObject([{ failures: [] }])
  await overlay.stop(agent)
})

// They waited without a word for what came only with the next dataplane, if there was one.
it('live packets of a dataplane that is lost are refused, with the reason, and those who look at some already see those of the next', async () => {
  const overlay = new Overlay()
  let plane: MemoryDataplane | undefined
  let isThere = true
  const pod = endpoint('pod', 'red', '10.0.0.1')
  const agent = await overlay.agent(overlay.config(A, { endpoints: [pod], neighbors: [] }), async () => {
    if (!isThere) throw new DataplaneError('dataplane.device', 'the uplink is gone')
    return (plane = overlay.dataplane(A))
  })
  const end = new AbortController()
  const packet = agent.trace({ vrf: 'red' }, end.signal)[Symbol.asyncIterator]().next()
  isThere = false
  await plane?.close()
  await overlay.run(1)
  const refused = {
    code: 'agent.dataplane-lost',
    message: 'the dataplane is gone and not back yet: the uplink is gone (dataplane.device) (agent.dataplane-lost)',
  }
  for (const looked of [agent.trace({ vrf: 'red' }), agent.capture(pod)])
    await expect(looked[Symbol.asyncIterator]().next()).rejects.toMatchObject(refused)
  isThere = true
  await overlay.run(5)
  const [port] = (await agent.state()).devices.map((device) => device.port)
  plane?.endpoint(port).send(Uint8Array.of(0x45))
  expect(await packet).toMatchObject({ done: false, value: { type: 'traced' } })
  end.abort()
  await overlay.stop(agent)
})

// All links of the node were asked about, for nothing.
it('what a dataplane has in the kernel is asked for where it is shown, and not where only what it chose is', async () => {
  const overlay = new Overlay()
  const inspectKernel = vi.fn<InspectableDataplane['inspectKernel']>(async () => ({
    choices: [{ what: 'programs', chosen: 'tcx', because: 'it is there' }],
    parts: [{ kind: 'map', name: 'fib', details: 'of words' }],
  }))
  const agent = await overlay.agent(overlay.config(A, { neighbors: [] }), Object.assign(overlay.dataplane(A), { inspectKernel }))
  expect(await agent.show('dataplane')).toMatchObject([{ choices: [{ chosen: 'tcx' }] }])
  expect(inspectKernel.mock.calls.map(([wanted]) => wanted?.parts)).toEqual([false])
  expect(await agent.show('bpf')).toMatchObject([{ name: 'fib' }])
  expect(inspectKernel.mock.calls.map(([wanted]) => wanted?.parts ?? true)).toEqual([false, true])
  await overlay.stop(agent)
})
