/** What runs in each thread for a token: one session, one task after another. */
import { parentPort, workerData } from 'node:worker_threads'
import { loadBinding } from './binding.ts'
import { type Result, type Task, type TokenOptions, TokenSession } from './session.ts'
import { TokenError, codeOf } from './token-error.ts'

export interface Question {
  readonly id: number
  readonly task: Task
}

/** A TokenError in its parts: as itself it would arrive as a plain Error, without its code. */
export type Outcome =
  { readonly result: Result } | { readonly message: string; readonly code: string | undefined }

export interface Answer {
  readonly id: number
  readonly outcome: Outcome
}

if (parentPort) await serve(parentPort)

async function serve(port: NonNullable<typeof parentPort>): Promise<void> {
  // What was sent before this waits in the port.
  const session = new TokenSession(await loadBinding(), workerData as TokenOptions)
  port.on('message', ({ id, task }: Question) => {
    const answer: Answer = { id, outcome: outcomeOf(session, task) }
    port.postMessage(answer)
  })
}

function outcomeOf(session: TokenSession, task: Task): Outcome {
  try {
    return { result: session.run(task) }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { message, code: error instanceof TokenError ? codeOf(error) : undefined }
  }
}
