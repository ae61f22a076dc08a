/** Version of this package: a forwarder of another one is succeeded by one of this. */
export const SOFTWARE_VERSION = '0.1.0'
