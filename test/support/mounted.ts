/** Talks to mounted roles without the exchange: a state in memory for each token. */
import type { FdoTransport } from '../../protocol/converse.ts'
import { errorMessage } from '../../protocol/error-message.ts'
import type { Database } from '../../src/database/open.ts'
import type { HeldState, MountedRole } from '../../src/fdo/mounted-role.ts'
import { HERE, type Source } from '../../src/http/source.ts'

export function transportTo(
  roles: readonly MountedRole[],
  database: Database,
  source: Source = HERE,
): FdoTransport {
  const states = new Map<string, { role: MountedRole; state: HeldState }>()
  let tokens = 0
  return async (message, authorization) => {
    try {
      const first = roles.find(({ firstMessage }) => firstMessage === message.number)
      const run = first
        ? { role: first, state: first.initialState }
        : states.get(authorization ?? '')
      if (!run) throw new Error(`no run for message ${message.number}`)
      const answer = await run.role.answer(run.state, message, source)
      await database
        .commit((tx) => answer.write(tx))
        .catch(async (error: unknown) => {
          await answer.refused(error)
          throw error
        })
      answer.committed()
      const token = `Bearer ${++tokens}`
      if (answer.next) states.set(token, { role: run.role, state: answer.next })
      return { message: answer.reply, authorization: token }
    } catch (error) {
      const refusal = errorMessage(error, message.number, new Date(0))
      return { message: refusal, authorization: undefined }
    }
  }
}
