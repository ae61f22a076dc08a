/** Randomness as logic sees it. */
export interface Random {
  /** The next integer, uniformly from 0–4,294,967,295. */
  uint32(): number
}
