/** A process that answers for the service, as the primary sees it. */
import cluster from 'node:cluster'
import { join } from 'node:path'
import { toHex } from '../../protocol/bytes.ts'
import { type Reached, type ToPrimary, type ToWorker, errorOf, markOf } from './messages.ts'

const WORKER = join(import.meta.dirname, 'worker.js')
/** It drains for ten seconds, and closes what it has open. */
const STOP_MS = 14_000

export interface Hand {
  readonly pid: number | undefined
  /** How the ids of runs begin that began in it, in hex. */
  readonly mark: string
  /** Rejects where it does not start. */
  readonly ready: Promise<Reached>
  /** Resolves with how it ended: a signal, or its exit status. */
  readonly gone: Promise<string>
  tell(message: ToWorker): void
  onMessage(listener: (message: ToPrimary) => void): void
  /** Lets it answer what has begun, or begins within `idleMs`; see RunningService. One that does not end is killed. */
  stop(idleMs: number, drains: boolean): Promise<void>
}

/** By the settings of our environment and this file; they say how long it drains, too. */
export function forkFrom(file: string | undefined, drainMs: number): () => Hand {
  cluster.setupPrimary({ exec: WORKER, args: [file ?? ''] })
  return () => fork(drainMs)
}

function fork(drainMs: number): Hand {
  const worker = cluster.fork()
  const gone = new Promise<string>((resolve) => {
    worker.once('exit', (code, signal) => resolve(signal ?? `status ${code}`))
    // Where none can be made (too many are there) no exit follows.
    worker.on('error', (error) => worker.process.pid === undefined && resolve(error.message))
  })
  const ready = new Promise<Reached>((resolve, reject) => {
    worker.on('message', (message: ToPrimary) => {
      if (message.kind === 'ready') resolve(message.reached)
      if (message.kind === 'failed') reject(errorOf(message.failure))
    })
    void gone.then((how) => reject(new Error(`a process of the service ended at once: ${how}`)))
  })
  // Whoever wants to know has asked by then.
  ready.catch(() => {})
  const tell = (message: ToWorker) => {
    if (worker.isConnected()) worker.send(message, () => {})
  }
  return {
    ...{ pid: worker.process.pid, mark: toHex(markOf(worker.id)), ready, gone, tell },
    onMessage: (listener) => void worker.on('message', listener),
    async stop(idleMs, drains) {
      tell({ kind: 'stop', idleMs, drains })
      const patienceMs = (drains ? drainMs : 0) + STOP_MS
      const timer = setTimeout(() => worker.process.kill('SIGKILL'), patienceMs)
      await gone
      clearTimeout(timer)
    },
  }
}
