import { setImmediate } from 'node:timers/promises'

/** Rows of a piece. */
const PIECE = 256
/** Rows that are looked at before others get their turn. */
const SLICE = 1024

/** Rows that are made one by one, with pauses; `undefined` stands for one that was looked at only. */
export async function* inSlices<Row extends object>(rows: Iterable<Row | undefined>): AsyncGenerator<readonly Row[]> {
  let piece: Row[] = []
  let seen = 0
  for (const row of rows) {
    if (row !== undefined) piece.push(row)
    seen++
    if (piece.length >= PIECE) {
      yield piece
      piece = []
    }
    if (seen % SLICE === 0) await setImmediate()
  }
  yield piece
}

/** Rows as they come, those that come at once together. */
export async function* inPieces<Row>(rows: AsyncGenerator<Row>): AsyncGenerator<readonly Row[]> {
  let next = rows.next()
  try {
    for (;;) {
      const piece: Row[] = []
      let result: IteratorResult<Row, unknown> | undefined = await next
      while (result !== undefined && result.done !== true) {
        piece.push(result.value)
        next = rows.next()
        result = piece.length < PIECE ? await Promise.race([next, setImmediate(undefined)]) : undefined
      }
      if (piece.length > 0) yield piece
      if (result?.done === true) return
    }
  } finally {
    next.catch(() => undefined)
    void rows.return(undefined)
  }
}
