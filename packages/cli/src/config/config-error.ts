/** One thing that is wrong with a configuration file. */
export interface ConfigProblem {
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  /** Keys from the top, e.g. `bgp.neighbors[0].as`; empty for the file as a whole. */
  readonly path: string
  /** What stands there. */
  readonly found: string
  /** What may stand there. */
  readonly allowed: string
}

/** Why a configuration was refused; nothing of it was applied. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'

  constructor(
    /** `config.unreadable`, `config.syntax` or `config.invalid`. */
    readonly code: 'config.unreadable' | 'config.syntax' | 'config.invalid',
    /** As it was given. */
    readonly file: string,
    /** At least one, in the order of the file. */
    readonly problems: readonly ConfigProblem[],
    options?: ErrorOptions,
  ) {
    const describe = (problem: ConfigProblem): string =>
      code === 'config.unreadable' ? `${file}: ${problem.found}` : describeProblem(file, problem)
    super(problems.map(describe).join('\n'), options)
  }
}

/** `FILE:LINE:COLUMN: PATH: found …, allowed …`. */
export function describeProblem(file: string, { line, column, path, found, allowed }: ConfigProblem): string {
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}found ${found}; allowed: ${allowed}`
}
