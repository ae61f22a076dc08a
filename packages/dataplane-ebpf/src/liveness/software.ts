import { VERSION } from '../native/load.js'

/** A number of this version of the software: a keeper of another one is succeeded. */
export const SOFTWARE = new TextEncoder().encode(VERSION).reduce((hash, octet) => (Math.imul(hash, 31) + octet) >>> 0, 7)
