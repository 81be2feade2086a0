/** FDOKeyAuth, damaged on its way: refused with the library's own error, and never let in. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bytes, equalBytes } from '../../protocol/bytes.ts'
import { decodeAs } from '../../protocol/cbor/schema.ts'
import { FdoError } from '../../protocol/errors.ts'
import { proveCaller, readResult } from '../../protocol/key-auth/caller.ts'
import {
  buildResult,
  challengeCaller,
  checkProve,
  sessionOfProve,
} from '../../protocol/key-auth/holder.ts'
import { Prove } from '../../protocol/key-auth/messages.ts'
import { challenged, holder, holderContext, owner } from '../support/key-auth.ts'
import { garbageLike } from '../support/mutation.ts'

const run = await challenged()
const context = { signer: owner, holderKeys: [holder.key] }
const prove = await proveCaller(run.said, run.challenge, context)
const proven = await checkProve(prove, run.pending)
const result = buildResult(proven, { token: 'abc', expiresAt: new Date(0), voucherCount: 1 })

function signedIn(body: Bytes): readonly Bytes[] {
  const { payload, signature } = decodeAs(Prove, body, 'Prove').signature.value.value
  return [payload, signature]
}

async function refusedOnly(work: () => unknown): Promise<boolean> {
  try {
    await work()
    return false
  } catch (error) {
    if (error instanceof FdoError) return true
    throw error
  }
}

describe('a damaged message', () => {
  it('Hello: is an FdoError, or another Hello', async () => {
    await fc.assert(
      fc.asyncProperty(garbageLike(run.said.hello), async (body) => {
        await refusedOnly(() => challengeCaller(body, holderContext()))
      }),
    )
  })

  it('Challenge: proves nothing', async () => {
    await fc.assert(
      fc.asyncProperty(garbageLike(run.challenge), async (body) => {
        // What says the same in other bytes gets a Prove that the holder then refuses.
        const answer = proveCaller(run.said, body, context)
        const isRefused = await refusedOnly(() => answer)
        if (isRefused || equalBytes(body, run.challenge)) return
        expect(await refusedOnly(async () => checkProve(await answer, run.pending))).toBe(true)
      }),
    )
  })

  it('Prove: lets nobody in who has not signed', async () => {
    await fc.assert(
      fc.asyncProperty(garbageLike(prove), async (body) => {
        await refusedOnly(() => sessionOfProve(body))
        const isRefused = await refusedOnly(() => checkProve(body, run.pending))
        // The session and the unprotected header are outside of what is signed.
        if (!isRefused) expect(signedIn(body)).toEqual(signedIn(prove))
      }),
    )
  })

  it('Result: is an FdoError, or another Result', async () => {
    await fc.assert(
      fc.asyncProperty(garbageLike(result), async (body) => {
        await refusedOnly(() => readResult(run.said, body))
      }),
    )
  })
})
