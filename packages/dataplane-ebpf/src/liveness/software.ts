import { VERSION } from '../native/load.js'

/** A number of this version of the software: a keeper of another one is succeeded. */
export const SOFTWARE = [...VERSION].reduce((hash, sign) => (Math.imul(hash, 31) + sign.charCodeAt(0)) >>> 0, 7)
