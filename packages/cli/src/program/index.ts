// The command line alone, so that a command loads only what it needs.
export { EXIT, type ExitCode } from '../exit-code.js'
export { processOutput, type Output } from '../output/output.js'
export { run, type ProgramOptions } from './program.js'
