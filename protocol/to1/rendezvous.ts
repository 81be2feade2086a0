/** TO1, the Rendezvous Server's side. It writes nothing: an unproven Device leaves no trace. */
import { type Bytes, equalBytes, toHex } from '../bytes.ts'
import { int, tuple } from '../cbor/schema.ts'
import type { VerifyKey } from '../crypto/verify-key.ts'
import { FdoError } from '../errors.ts'
import { messageOf, messageOfBytes } from '../message.ts'
import { type Role, type StateSchemas, type Step, on } from '../role.ts'
import { Guid, Nonce, type RandomBytes } from '../types/base.ts'
import { parseEat } from '../types/eat.ts'
import { isKnownSgType, verifyProof } from '../types/sig-info.ts'
import { HelloRV, HelloRVAck, ProveToRV, RVRedirect } from './messages.ts'

export type To1RendezvousState =
  | { readonly expects: 'TO1.HelloRV' }
  | {
      readonly expects: 'TO1.ProveToRV'
      readonly guid: Guid
      readonly nonceTO1Proof: Nonce
      readonly sgType: number
    }

export const to1RendezvousStates: StateSchemas<To1RendezvousState> = {
  'TO1.HelloRV': tuple({}),
  'TO1.ProveToRV': tuple({ guid: Guid, nonceTO1Proof: Nonce, sgType: int }),
}

/** What an Owner left for a Device in TO0. */
export interface Registration {
  /** From the device certificate in the voucher. */
  readonly deviceKey: VerifyKey
  /** Signed by the Owner: kept and sent on byte for byte. */
  readonly to1d: Bytes
}

export interface To1RendezvousContext {
  readonly randomBytes: RandomBytes
  /** The unexpired registration for this Device, if an Owner has made one. */
  findRegistration(guid: Guid): Promise<Registration | undefined> | Registration | undefined
}

type To1Step = Promise<Step<To1RendezvousState, never>>

async function helloRV(_state: unknown, hello: HelloRV, context: To1RendezvousContext): To1Step {
  const { guid, eASigInfo } = hello
  if (!isKnownSgType(eASigInfo.sgType)) {
    throw refused(`TO1.HelloRV: unsupported signature type ${eASigInfo.sgType}`)
  }
  await registrationOf(guid, context)
  const nonceTO1Proof = context.randomBytes(16)
  return {
    next: { expects: 'TO1.ProveToRV', guid, nonceTO1Proof, sgType: eASigInfo.sgType },
    reply: messageOf(HelloRVAck, { nonceTO1Proof, eBSigInfo: eASigInfo }),
    effects: [],
  }
}

async function proveToRV(
  state: Extract<To1RendezvousState, { expects: 'TO1.ProveToRV' }>,
  { value: token }: ProveToRV,
  context: To1RendezvousContext,
): To1Step {
  const claims = parseEat(token.payload)
  if (!equalBytes(claims.nonce, state.nonceTO1Proof)) {
    throw refused('TO1.ProveToRV: NonceTO1Proof is not ours')
  }
  if (!equalBytes(claims.guid, state.guid)) {
    throw refused('TO1.ProveToRV: UEID is not the GUID from TO1.HelloRV')
  }
  const { deviceKey, to1d } = await registrationOf(state.guid, context)
  if (!(await verifyProof(token, state.sgType, deviceKey))) {
    throw refused('TO1.ProveToRV: signature does not verify')
  }
  return { next: null, reply: messageOfBytes(RVRedirect, to1d), effects: [] }
}

/** A GUID nobody registered and one whose registration has lapsed look alike. */
async function registrationOf(guid: Guid, context: To1RendezvousContext): Promise<Registration> {
  const registration = await context.findRegistration(guid)
  if (!registration) throw new FdoError('RESOURCE_NOT_FOUND', `no owner for ${toHex(guid)}`)
  return registration
}

function refused(reason: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', reason)
}

export const to1Rendezvous: Role<To1RendezvousState, To1RendezvousContext, never> = {
  'TO1.HelloRV': [on(HelloRV, helloRV)],
  'TO1.ProveToRV': [on(ProveToRV, proveToRV)],
}
