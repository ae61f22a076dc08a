// Asks the kernel's program without end for groups that another thread changes, and counts the answers that no transaction has given.
import { workerData } from 'node:worker_threads'
import { readBpfObject } from '../../src/bpf-object.js'
import { call } from '../../src/native/call.js'
import { mapSizes } from '../../src/tables/map-sizes.js'
import {
  BEGUN,
  BESIDE,
  COUNTS,
  FORMER,
  IS_ASKING,
  IS_ENDED,
  MOST,
  NEW,
  OVER,
  WRONG,
  WRONG_AFTER,
  WRONG_ANSWER,
  WRONG_BEGUN,
  WRONG_PLACE,
  type Asking,
} from './asking.js'
import { answerIn } from './question.js'

const { pins, capacity, control, counts, places, after, during } = workerData as Asking
const object = call((native) => native.objectLoad(readBpfObject(), mapSizes(capacity), pins))
const round = after.length / places.length
const indexOf = (transaction: number, place: number): number => (transaction % round) * places.length + place
let state = 1

/** Places of each transaction of a round that it changes. */
const changed = Array.from({ length: round }, (_, transaction) =>
  Array.from(places.keys()).filter((place) => during[indexOf(transaction, place) * MOST] > 1),
)

/** Whether the place may have the group while the transaction is written. */
function allows(transaction: number, place: number, group: number): boolean {
  const at = indexOf(transaction, place) * MOST
  return during.subarray(at + 1, at + 1 + during[at]).includes(group)
}

Atomics.store(control, IS_ASKING, 1)
while (Atomics.load(control, IS_ENDED) === 0) {
  state = (Math.imul(state ^ (state >>> 13), 0x5bd1_e995) + 0x9e37) | 0
  const drawn = (state ^ (state >>> 15)) >>> 0
  const over = Atomics.load(control, OVER)
  // Mostly what is changed just now.
  const amid = changed[(over + 1) % round]
  const place = drawn % 4 > 0 && amid.length > 0 ? amid[(drawn >>> 2) % amid.length] : (drawn >>> 2) % places.length
  const { question, kind } = places[place]
  const group = answerIn(object.testRun('lookup', question, 0, 1).packet)
  const begun = Atomics.load(control, BEGUN)
  const former = after[indexOf(over, place)]
  let isRight = group === former
  for (let transaction = over + 1; transaction <= begun && !isRight; transaction++) isRight = allows(transaction, place, group)
  if (!isRight && Atomics.add(control, WRONG, 1) === 0) {
    for (const [word, value] of [
      [WRONG_AFTER, over],
      [WRONG_BEGUN, begun],
      [WRONG_PLACE, place],
      [WRONG_ANSWER, group],
    ]) {
      Atomics.store(control, word, value)
    }
  }
  if (begun === over) continue
  Atomics.add(counts, kind * COUNTS + BESIDE, 1)
  const next = after[indexOf(over + 1, place)]
  if (begun === over + 1 && former !== next) Atomics.add(counts, kind * COUNTS + (group === next ? NEW : FORMER), 1)
}
object.close()
