/**
 * The thread for Diffie-Hellman, as the event loop sees it. It begins with the first task, and anew
 * with the next if it has ended; what it was asked and had not answered fails with it.
 */
import { Worker } from 'node:worker_threads'
import type { Bytes } from '../../../protocol/bytes.ts'
import { FdoError } from '../../../protocol/errors.ts'
import type { Answer, Outcome, Question, Task } from './worker.ts'

/** Asked and not answered yet. In group 15 so many take seven tenths of a second. */
const MOST_WAITING = 256
/** Of them, first halves: anyone may ask for those, the second is for devices that are proven. */
const MOST_BEGINNING = 128

interface Waiting {
  resolve(number: Bytes): void
  reject(error: unknown): void
}

export class DhThread {
  readonly #program: URL
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #asked = 0
  #isStopped = false

  /** `program` is `worker.ts`, compiled. */
  constructor(program: URL) {
    this.#program = program
  }

  /** Throws what the task throws; any other Error where there is no answer. */
  async ask(task: Task): Promise<Bytes> {
    if (this.#isStopped) throw new Error('the key exchange has been stopped')
    const most = task.received === undefined ? MOST_BEGINNING : MOST_WAITING
    if (this.#waiting.size >= most) throw new Error('too many key exchanges at once')
    const worker = (this.#worker ??= this.#start())
    const question: Question = { id: this.#asked++, task: owned(task) }
    worker.postMessage(question)
    return await new Promise((resolve, reject) => {
      this.#waiting.set(question.id, { resolve, reject })
    })
  }

  /** Whatever is still waiting fails. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#worker?.terminate()
  }

  #start(): Worker {
    const worker = new Worker(this.#program, { name: 'key-exchange' })
    worker.on('message', ({ id, outcome }: Answer) => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      settle(waiting, outcome)
    })
    worker.once('error', (cause) => this.#lose(worker, cause))
    worker.once('exit', (status) => this.#lose(worker, new Error(`exit status ${status}`)))
    // The service's sockets keep the process alive, not this.
    worker.unref()
    return worker
  }

  /** Told twice of an end by an error: by the second time another thread may be at work. */
  #lose(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    const lost = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of lost) {
      reject(new Error('the thread of the key exchange has ended', { cause }))
    }
  }
}

/** A view into something larger would be sent with all of it. */
function owned({ group, exponent, received }: Task): Task {
  const own = { group, exponent: new Uint8Array(exponent) }
  return received === undefined ? own : { ...own, received: new Uint8Array(received) }
}

function settle(waiting: Waiting | undefined, outcome: Outcome): void {
  if ('number' in outcome) waiting?.resolve(outcome.number)
  else if ('failure' in outcome) waiting?.reject(outcome.failure)
  else {
    const { code, message, cause } = outcome.refusal
    waiting?.reject(new FdoError(code, message, { cause }))
  }
}
