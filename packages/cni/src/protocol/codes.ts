/** Error codes of a plugin (CNI 1.1.0, "Error"): 1–99 are the specification's, from 100 on they are this plugin's. */
export const CNI_CODES = {
  /** The version of the configuration is not one of those that are spoken. */
  incompatibleVersion: 1,
  /** A field of the configuration has a value that is not supported. */
  unsupportedField: 2,
  /** The container is not there (any more); the runtime need not clean up. */
  unknownContainer: 3,
  /** An environment variable is missing or wrong. */
  invalidEnvironment: 4,
  /** Reading or writing failed. */
  io: 5,
  /** What was read is no configuration. */
  decoding: 6,
  /** The configuration is not valid for this network. */
  invalidConfiguration: 7,
  /** The namespace is the one that the plugin itself runs in (as the reference library has it). */
  hostNamespace: 8,
  /** Not now; the runtime shall try again. */
  tryAgain: 11,
  /** STATUS: ADD cannot be served. */
  notReady: 50,
  /** STATUS: ADD cannot be served, and containers that are attached may have lost their network too. */
  limitedConnectivity: 51,
  /** The endpoint could not be attached or detached. */
  endpoint: 100,
  /** The attachment, or an interface of this name, is there already. */
  exists: 101,
  /** No address is free, or the one that was asked for is taken. */
  addresses: 102,
  /** CHECK found something else than what ADD made. */
  checkFailed: 103,
  /** A delegated plugin could not be run, or did not answer as a plugin does. */
  delegate: 104,
  /** GC could not remove everything. */
  collect: 105,
  /** Addresses that endpoints have on the node could not be translated. */
  translation: 106,
  /** A fault of the plugin itself; the reference library uses the same number. */
  internal: 999,
} as const
