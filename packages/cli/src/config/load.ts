import { readFile } from 'node:fs/promises'
import { checkNode, checkSpeaker } from './check.js'
import { ConfigError } from './config-error.js'
import type { NodeDocument, SpeakerDocument } from './document.js'
import { parseFile } from './parse.js'
import { nodeSchema, speakerSchema } from '../schema/config-schema.js'
import { validateFile } from './validate.js'

/**
 * Reads the configuration of a node.
 *
 * @throws ConfigError with file, line, path, what was found and what is allowed
 */
export async function loadNode(file: string): Promise<NodeDocument> {
  return parseNode(file, await read(file))
}

/** As `loadNode`, for a speaker. @throws ConfigError */
export async function loadSpeaker(file: string): Promise<SpeakerDocument> {
  return parseSpeaker(file, await read(file))
}

/** As `loadNode`, from text; `file` is for the errors. @throws ConfigError */
export function parseNode(file: string, text: string): NodeDocument {
  const parsed = parseFile(file, text)
  validateFile(parsed, nodeSchema)
  return checkNode(parsed, parsed.value as NodeDocument) // what has passed the schema has its type
}

/** As `parseNode`, for a speaker. @throws ConfigError */
export function parseSpeaker(file: string, text: string): SpeakerDocument {
  const parsed = parseFile(file, text)
  validateFile(parsed, speakerSchema)
  return checkSpeaker(parsed, parsed.value as SpeakerDocument)
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code = 'an error', message } = error as NodeJS.ErrnoException
    const found = UNREADABLE[code] ?? message
    throw new ConfigError('config.unreadable', file, [{ line: 1, column: 1, path: '', found, allowed: 'a file that can be read' }], {
      cause: error,
    })
  }
}

/** Why the system does not read a file, in words. */
const UNREADABLE: Readonly<Record<string, string>> = { ENOENT: 'no such file', EISDIR: 'a directory', EACCES: 'no permission to read it' }
