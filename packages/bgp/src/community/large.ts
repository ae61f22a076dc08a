/** Large community (RFC 8092 §3): three words, 0–4,294,967,295 each. */
export interface LargeCommunity {
  readonly globalAdministrator: number
  readonly localData1: number
  readonly localData2: number
}
