/** Processes that are none: they do what a test has them do. */
import type { Family } from '../../src/figures.ts'
import type { Hand } from '../../src/processes/hand.ts'
import type { Reached, ToPrimary, ToWorker } from '../../src/processes/messages.ts'

const REACHED: Reached = { http: 'http://127.0.0.1:8080', https: null, roles: ['owner'] }

export class FakeHand implements Hand {
  readonly pid: number
  readonly mark: string
  readonly ready: Promise<Reached>
  readonly gone: Promise<string>
  readonly heard: ToWorker[] = []
  readonly #listeners: ((message: ToPrimary) => void)[] = []
  #begin: (reached: Reached) => void = () => {}
  #refuse: (error: Error) => void = () => {}
  #end: (how: string) => void = () => {}
  isGone = false
  /** What it has counted, where it answers. */
  families: readonly Family[] | undefined

  constructor(id: number) {
    this.pid = id
    this.mark = id.toString(16).padStart(4, '0')
    this.ready = new Promise((resolve, reject) => {
      this.#begin = resolve
      this.#refuse = reject
    })
    this.ready.catch(() => {})
    this.gone = new Promise((resolve) => (this.#end = resolve))
  }

  tell(message: ToWorker): void {
    this.heard.push(message)
    if (message.kind === 'count' && this.families) {
      this.say({ kind: 'counted', families: this.families })
    }
  }

  onMessage(listener: (message: ToPrimary) => void): void {
    this.#listeners.push(listener)
  }

  async stop(idleMs: number): Promise<void> {
    this.tell({ kind: 'stop', idleMs })
    this.die('status 0')
  }

  say(message: ToPrimary): void {
    for (const listener of this.#listeners) listener(message)
  }

  begin(): void {
    this.say({ kind: 'ready', reached: REACHED })
    this.#begin(REACHED)
  }

  refuse(message: string, mayPass = false): void {
    this.#refuse(Object.assign(new Error(message), { mayPass }))
    this.die('status 1')
  }

  die(how: string): void {
    this.isGone = true
    this.#refuse(new Error(`a process of the service ended at once: ${how}`))
    this.#end(how)
  }
}
