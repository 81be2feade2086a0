/** FDOKeyAuth as go-fdo's client and server spoke it, byte for byte. */
import { describe, expect, it } from 'vitest'
import { decodeAs } from '../../../../protocol/cbor/schema.ts'
import { proveCaller, readResult, sayHello } from '../../../../protocol/key-auth/caller.ts'
import {
  buildResult,
  challengeCaller,
  checkProve,
  sessionOfProve,
} from '../../../../protocol/key-auth/holder.ts'
import { Hello } from '../../../../protocol/key-auth/messages.ts'
import { keyFingerprint } from '../../../../protocol/key-auth/signed.ts'
import {
  NOW,
  keyAuthVector as run,
  randomnessOf,
  signerOfScalar,
} from '../../../support/key-auth.ts'
import { recordedSigner } from '../../../support/recorded-signer.ts'
import { fromHex, toHex } from '../../../support/wire.ts'

const owner = signerOfScalar(run.ownerD)
const holder = signerOfScalar(run.holderD)

describe('the recorded run', () => {
  it('is said by our caller', async () => {
    const said = sayHello(owner, randomnessOf(run.nonceCaller))
    expect(toHex(said.hello)).toBe(run.hello)
    const signer = recordedSigner(owner.key, [fromHex(run.proveSignature)])
    const context = { signer, holderKeys: [holder.key] }
    expect(toHex(await proveCaller(said, fromHex(run.challenge), context))).toBe(run.prove)
    expect(readResult(said, fromHex(run.result))).toMatchObject({
      token: 'tok-1',
      expiresAt: 1_900_000_000,
      voucherCount: 1,
    })
  })

  it('is answered by our holder', async () => {
    const { challenge, pending, sessionId } = await challengeCaller(fromHex(run.hello), {
      signer: recordedSigner(holder.key, [fromHex(run.challengeSignature)]),
      randomBytes: randomnessOf(run.sessionId, run.nonceServer),
      now: NOW,
      serverInfo: new Map([['voucher_count', 1]]),
    })
    expect(toHex(challenge)).toBe(run.challenge)
    expect(toHex(sessionId)).toBe(run.sessionId)
    expect(toHex(sessionOfProve(fromHex(run.prove)))).toBe(run.sessionId)
    const proven = await checkProve(fromHex(run.prove), pending)
    const grant = { token: 'tok-1', expiresAt: new Date(1_900_000_000_000), voucherCount: 1 }
    expect(toHex(buildResult(proven, grant))).toBe(run.result)
  })

  it('names the key by two fingerprints', () => {
    const { callerKey } = decodeAs(Hello, fromHex(run.hello), 'Hello')
    expect(toHex(keyFingerprint(callerKey.value))).toBe(run.keyFingerprint)
  })
})
