/** Large community (RFC 8092 §3): three words, 0–4,294,967,295 each. */
export interface LargeCommunity {
  readonly globalAdministrator: number
  readonly localData1: number
  readonly localData2: number
}

/** `GLOBAL:LOCAL1:LOCAL2` (RFC 8092 §5). */
export function formatLargeCommunity({ globalAdministrator, localData1, localData2 }: LargeCommunity): string {
  return `${globalAdministrator}:${localData1}:${localData2}`
}
