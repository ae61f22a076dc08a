// A peer of the daemon that is measured: a process of its own, driven over its IPC channel. It injects, or takes in and judges.
import { readFileSync } from 'node:fs'
import { IPV4, VPNV4, type AddressFamily } from '../workload/family.ts'
import type { Reflection } from './attributes-text.ts'
import { ExpectedTable } from './expected-table.ts'
import type { Answer, Params, PeerMethod, PeerMethods, PeerRequest, PeerResponse } from './protocol.ts'
import { judgeAlike } from './judge-alike.ts'
import { Judgement } from './judgement.ts'
import { Session } from './session.ts'

interface Workload {
  readonly family: AddressFamily
  readonly announcements: Uint8Array
  readonly withdrawals: Uint8Array
  readonly expected: ExpectedTable | undefined
}

type Handlers = { readonly [M in PeerMethod]: (params: Params<M>) => Promise<Answer<M>> | Answer<M> }

let workload: Workload | undefined
const sessions = new Map<string, Session>()
/** Of each session, since it was opened. */
const judgements = new Map<string, Judgement>()
const targets = new Map<string, Promise<number>>()
let cpuAt = 0

const handlers: Handlers = {
  load({ workload: files, judge }) {
    const family = files.family === 'ipv4' ? IPV4 : VPNV4
    const announcements = readFileSync(files.announcements)
    const expected = judge ? new ExpectedTable(family, announcements, files.routes) : undefined
    workload = { family, announcements, withdrawals: readFileSync(files.withdrawals), expected }
  },
  async open({ id, remote, port, timeout, block }) {
    const session = new Session({ local: id, remote, port, family: loaded().family, ...(block === undefined ? {} : { block }) })
    sessions.set(id, session)
    judgements.delete(id)
    await session.open(timeout)
    return { establishedAt: session.establishedAt }
  },
  arm({ id, target }) {
    const reached = sessionOf(id).reach(target)
    reached.catch(() => undefined)
    targets.set(id, reached)
  },
  reached: async ({ id }) => ({ at: (await targets.get(id)) ?? 0 }),
  send: ({ id, what }) => sessionOf(id).send(loaded()[what]),
  break: async ({ id }) => ({ at: await sessionOf(id).break() }),
  async judge({ id, complete, ...reflector }) {
    const { intake } = sessionOf(id)
    const judgement = judgements.get(id) ?? new Judgement(expectedTable(), reflectionOf(reflector))
    judgements.set(id, judgement)
    const differences = await judgement.differences(intake.updatesKept(), complete)
    intake.forget()
    return { differences }
  },
  judgeAlike: ({ ids, ...reflector }) => judgeAlike(ids.map(sessionOf), expectedTable(), reflectionOf(reflector)),
  session({ id }) {
    const { longestSilence, ended, intake } = sessionOf(id)
    return { longestSilence, ended, updates: intake.updates }
  },
  usage() {
    const { user, system } = process.cpuUsage()
    const before = cpuAt
    cpuAt = (user + system) / 1000
    return { cpu: cpuAt - before }
  },
} satisfies { [M in PeerMethod]: (params: Params<M>) => ReturnType<PeerMethods[M]> | Promise<ReturnType<PeerMethods[M]>> }

process.on('message', (request: PeerRequest) => void answer(request))
process.on('disconnect', () => process.exit())

async function answer({ id, method, params }: PeerRequest): Promise<void> {
  let response: PeerResponse
  try {
    response = { id, result: await (handlers[method] as (params: unknown) => unknown)(params) }
  } catch (error) {
    response = { id, error: error instanceof Error ? error.message : String(error) }
  }
  process.send?.(response)
}

function loaded(): Workload {
  if (workload === undefined) throw new TypeError('no workload was loaded')
  return workload
}

function expectedTable(): ExpectedTable {
  const { expected } = loaded()
  if (expected === undefined) throw new TypeError('the workload was loaded without a table to compare with')
  return expected
}

function reflectionOf({ originator, cluster }: { readonly originator: string; readonly cluster: string }): Reflection {
  return { originatorId: octets(originator), clusterList: octets(cluster) }
}

function sessionOf(id: string): Session {
  const session = sessions.get(id)
  if (session === undefined) throw new TypeError(`no session of ${id}`)
  return session
}

function octets(address: string): number[] {
  return address.split('.').map(Number)
}
