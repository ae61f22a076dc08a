import { Poller, type Watch } from '../poller.js'

/** Readiness of sockets: its thread runs only while there is one to wait for. */
export class Readiness {
  #poller: Poller | undefined
  #watches = 0

  watch(fd: number, interest: number, ready: () => void): Watch {
    this.#poller ??= Poller.open()
    this.#watches++
    let watch: Watch
    try {
      watch = this.#poller.watch(fd, interest, ready)
    } catch (error) {
      this.#release()
      throw error
    }
    let open = true
    return {
      rearm: (next) => watch.rearm(next),
      close: () => {
        if (!open) return
        open = false
        watch.close()
        this.#release()
      },
    }
  }

  #release(): void {
    if (--this.#watches > 0) return
    this.#poller?.close()
    this.#poller = undefined
  }
}
