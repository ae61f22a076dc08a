/** Path of the script of a forwarder's threads. @param script of the forwarder process */
export function laneBeside(script: string): string {
  return script.replace(/forwarder-main(\.\w+)$/, 'lane-main$1')
}
