import { describe, expect, it } from 'vitest'
import { encodeAs } from '../../../../protocol/cbor/schema.ts'
import { KEY_AUTH_PROVE } from '../../../../protocol/cose/tagged-aad.ts'
import { signerOf } from '../../../../protocol/crypto/signer.ts'
import { sayHello } from '../../../../protocol/key-auth/caller.ts'
import { challengeCaller, checkProve } from '../../../../protocol/key-auth/holder.ts'
import { Hello, KeyAuthError, Prove, ProvePayload } from '../../../../protocol/key-auth/messages.ts'
import { signPayload } from '../../../../protocol/key-auth/signed.ts'
import { oid, sequence } from '../../../../protocol/x509/der.ts'
import {
  type CertificateOrder,
  certificateOf,
  ecKey,
  extension,
} from '../../../support/certificates.ts'
import { holderContext, randomBytes } from '../../../support/key-auth.ts'

const ownerKey = ecKey()
const delegateKey = ecKey()
const owner = signerOf(ownerKey)
const delegate = signerOf(delegateKey)
const SIGNS = 1 << 0

function purposes(...last: number[]) {
  const oids = last.map((arc) => oid(`1.3.6.1.4.1.45724.3.1.${arc}`))
  return extension('2.5.29.37', sequence(...oids), false)
}

function delegation(changes: Partial<CertificateOrder> = {}) {
  return certificateOf({
    key: delegateKey,
    subject: 'delegate',
    issuer: { key: ownerKey, subject: 'owner' },
    keyUsage: SIGNS,
    extensions: [purposes(5)],
    ...changes,
  })
}

async function hello(...delegateChain: Uint8Array[]) {
  const { callerKey, nonceCaller } = sayHello(owner, randomBytes)
  const body = encodeAs(Hello, { callerKey, delegateChain, nonceCaller, version: 1 })
  return challengeCaller(body, holderContext())
}

async function checkOf(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => undefined,
    (error) => (error instanceof KeyAuthError ? error.check : `${error}`),
  )
}

describe('a delegate', () => {
  it('signs in the owner’s place, and nobody else does', async () => {
    const { pending, sessionId } = await hello(delegation())
    const { nonceServer, nonceCaller, challengeHash, callerKey } = pending
    const prove = async (signer: typeof owner) => {
      const type = 'FDOKeyAuth.Prove'
      const payload = { type, nonceServer, nonceCaller, hash: challengeHash, callerKey } as const
      const signature = await signPayload(signer, ProvePayload, payload, KEY_AUTH_PROVE)
      return encodeAs(Prove, { sessionId, nonceServer, challengeHash, signature })
    }
    const proven = await checkProve(await prove(delegate), pending)
    expect(proven.proverKey.spki).toEqual(delegate.key.spki)
    expect(proven.callerKey.value.key.spki).toEqual(owner.key.spki)
    expect(await checkOf(checkProve(await prove(owner), pending))).toBe('signature')
  })

  it.each([
    ['issued by another key', { issuer: { key: ecKey(), subject: 'owner' } }],
    ['without permissions', { extensions: [] }],
    ['with permission to upload only', { extensions: [purposes(6)] }],
    ['that is a CA', { isCa: true }],
    ['not for signatures', { keyUsage: 1 << 5 }],
    ['that does not say what its key is for', { keyUsage: undefined }],
    ['that has expired', { notAfter: new Date('2026-02-01T00:00:00Z') }],
    ['not valid yet', { notBefore: new Date('2027-02-01T00:00:00Z') }],
    [
      'with a critical extension nobody knows',
      { extensions: [purposes(5), extension('1.2.3.4', sequence())] },
    ],
  ])('is refused with a certificate %s', async (_, changes) => {
    expect(await checkOf(hello(delegation(changes)))).toBe('delegate')
  })

  it('is refused with a chain of two, in either order', async () => {
    const ca = certificateOf({ key: ownerKey, subject: 'owner', isCa: true, keyUsage: SIGNS })
    expect(await checkOf(hello(delegation(), ca))).toBe('delegate')
    expect(await checkOf(hello(ca, delegation()))).toBe('delegate')
  })

  it('may hold other permissions besides', async () => {
    expect(await checkOf(hello(delegation({ extensions: [purposes(6, 5)] })))).toBeUndefined()
  })
})
