/**
 * The threads for a token, as the event loop sees them. A token may take milliseconds for a
 * signature and do several at once: each thread has a session, and the next begins when all that
 * have begun are busy.
 */
import { Worker } from 'node:worker_threads'
import type { Result, Task, TokenOptions } from './session.ts'
import { TokenError } from './token-error.ts'
import type { Answer, Outcome, Question } from './worker.ts'

const MOST_THREADS = 4
/** Asked and not answered yet, over all threads. */
const MOST_WAITING = 256

interface Waiting {
  resolve(result: Result): void
  reject(error: unknown): void
  readonly timer: NodeJS.Timeout
}

interface Thread {
  readonly worker: Worker
  readonly waiting: Map<number, Waiting>
  /** Those given up too, which the token may still be at. */
  unanswered: number
}

export class TokenThreads {
  readonly #program: URL
  readonly #options: TokenOptions
  readonly #patienceMs: number
  readonly #threads = new Set<Thread>()
  #asked = 0
  #isStopped = false

  /** `program` is `worker.ts`, compiled. */
  constructor(program: URL, options: TokenOptions, patienceMs: number) {
    this.#program = program
    this.#options = options
    this.#patienceMs = patienceMs
  }

  /** Throws TokenError. */
  async ask(task: Task): Promise<Result> {
    if (this.#isStopped) throw new TokenError('the token has been let go: the service is stopping')
    const { token } = this.#options
    const thread = this.#freest()
    if (this.#unanswered() >= MOST_WAITING) throw new TokenError(`the token ${token} is overloaded`)
    const question: Question = { id: this.#asked++, task: owned(task) }
    thread.worker.postMessage(question)
    thread.unanswered++
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        thread.waiting.delete(question.id)
        const seconds = this.#patienceMs / 1000
        reject(new TokenError(`the token ${token} has not answered for ${seconds} seconds`))
      }, this.#patienceMs)
      thread.waiting.set(question.id, { resolve, reject, timer })
    })
  }

  /** Whatever is still waiting fails. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()))
  }

  #freest(): Thread {
    const [first] = [...this.#threads].toSorted((a, b) => a.unanswered - b.unanswered)
    if (first && (first.unanswered === 0 || this.#threads.size >= MOST_THREADS)) return first
    return this.#start()
  }

  #unanswered(): number {
    return [...this.#threads].reduce((sum, { unanswered }) => sum + unanswered, 0)
  }

  #start(): Thread {
    const worker = new Worker(this.#program, { name: 'pkcs11', workerData: this.#options })
    const thread: Thread = { worker, waiting: new Map(), unanswered: 0 }
    worker.on('message', ({ id, outcome }: Answer) => {
      thread.unanswered--
      const waiting = thread.waiting.get(id)
      thread.waiting.delete(id)
      clearTimeout(waiting?.timer)
      settle(waiting, outcome)
    })
    worker.once('error', (cause) => this.#lose(thread, cause))
    worker.once('exit', (status) => this.#lose(thread, new Error(`exit status ${status}`)))
    // The service's sockets keep the process alive, not this.
    worker.unref()
    this.#threads.add(thread)
    return thread
  }

  #lose(thread: Thread, cause: unknown): void {
    this.#threads.delete(thread)
    for (const { reject, timer } of thread.waiting.values()) {
      clearTimeout(timer)
      reject(new TokenError('a thread for the token has ended', undefined, { cause }))
    }
    thread.waiting.clear()
  }
}

/** A view into something larger would be sent with all of it. */
function owned(task: Task): Task {
  return task.do === 'list' ? task : { ...task, data: new Uint8Array(task.data) }
}

function settle(waiting: Waiting | undefined, outcome: Outcome): void {
  if ('result' in outcome) waiting?.resolve(outcome.result)
  else waiting?.reject(new TokenError(outcome.message, outcome.code))
}
