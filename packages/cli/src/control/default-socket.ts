/** Where the control sockets of this host's nodes are. */
export const SOCKET_FOLDER = '/run/heddle'

/** Path of the control socket of the node `name`. */
export function defaultSocket(name: string): string {
  return `${SOCKET_FOLDER}/${name}.sock`
}
