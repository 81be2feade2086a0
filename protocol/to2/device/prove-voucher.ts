/** TO2, the Device's side, 60 to 63: whoever answers must be the one the voucher leads to. */
import { equalBytes } from '../../bytes.ts'
import { type Kept, decodeAs, keep } from '../../cbor/schema.ts'
import { CUPH_NONCE, CUPH_OWNER_PUB_KEY, headerOf } from '../../cose/headers.ts'
import { type Sign1, verifySign1 } from '../../cose/sign1.ts'
import { findHeaderFlaw } from '../../credential/device-credential.ts'
import { hashOf, sameHash } from '../../crypto/hash.ts'
import { findKex, isKexAllowed } from '../../crypto/kex/suites.ts'
import { PublicKey, sameKey } from '../../crypto/public-key.ts'
import type { VerifyKey } from '../../crypto/verify-key.ts'
import { FdoError } from '../../errors.ts'
import { messageOf, messageOfBytes } from '../../message.ts'
import type { Step } from '../../role.ts'
import { Nonce } from '../../types/base.ts'
import { sigInfoOf } from '../../types/sig-info.ts'
import { beforeEntries, verifyEntry } from '../../voucher/verify.ts'
import {
  GetOVNextEntry,
  HelloDevice,
  HelloDeviceBody,
  type OVNextEntry,
  type ProveOVHdr,
  ProveOVHdrPayload,
} from '../messages.ts'
import { proveDevice } from './prove-device.ts'
import type {
  DeviceStep,
  EntryExpected,
  HeaderExpected,
  To2DeviceContext,
  To2DeviceEffect,
  To2DeviceState,
} from './state.ts'

/** The Device's first step. */
export function beginTo2(context: To2DeviceContext): Step<To2DeviceState, To2DeviceEffect> {
  const { credential, maxDeviceMessageSize } = context
  const nonceTO2ProveOV = context.randomBytes(16)
  const { bytes: hello } = keep(HelloDeviceBody, {
    maxDeviceMessageSize,
    guid: credential.guid,
    nonceTO2ProveOV,
    kexSuiteName: context.kex,
    cipherSuiteName: context.cipher,
    eASigInfo: sigInfoOf(context.signer),
  })
  return {
    next: { expects: 'TO2.ProveOVHdr', hello, nonceTO2ProveOV },
    reply: messageOfBytes(HelloDevice, hello),
    effects: [],
  }
}

export async function proveOVHdr(
  state: HeaderExpected,
  { value: proof }: ProveOVHdr,
  context: To2DeviceContext,
): DeviceStep {
  const { unprotectedHeader } = proof
  const ownerKey = headerOf(unprotectedHeader, CUPH_OWNER_PUB_KEY, PublicKey, 'CUPHOwnerPubKey')
  if (!(await verifySign1(proof, ownerKey.key))) throw refused('the signature does not verify')
  const payload = decodeAs(ProveOVHdrPayload, proof.payload, 'TO2.ProveOVHdr')
  checkAnswer(state, payload, context)
  const flaw = findHeaderFlaw(context.credential, payload.ovHeader, payload.hmac.value)
  if (flaw) throw refused(flaw)
  checkSuites(ownerKey.key, context)
  await checkRedirect(context.to1d, ownerKey.key)

  const shown = {
    header: payload.ovHeader,
    headerHMac: payload.hmac.value,
    ownerKey,
    nonceTO2ProveDv: headerOf(unprotectedHeader, CUPH_NONCE, Nonce, 'CUPHNonce'),
    xA: payload.xAKeyExchange,
  }
  const { numOVEntries, ovHeader, hmac } = payload
  return await nextStep({ shown, numOVEntries, position: beforeEntries(ovHeader, hmac) }, context)
}

export async function ovNextEntry(
  state: EntryExpected,
  { ovEntryNum, ovEntry }: OVNextEntry,
  context: To2DeviceContext,
): DeviceStep {
  if (ovEntryNum !== state.position.index) {
    throw refused(`entry ${ovEntryNum}, asked for ${state.position.index}`)
  }
  const position = await verifyEntry(state.position, ovEntry, context.entryStyle)
  if ('check' in position) throw refused(`${position.check}: ${position.detail}`)
  return await nextStep({ ...state, position }, context)
}

/** Asks for the next entry; after the last one, proves who we are to whom it names. */
async function nextStep(
  { shown, numOVEntries, position }: Omit<EntryExpected, 'expects'>,
  context: To2DeviceContext,
): DeviceStep {
  if (position.index < numOVEntries) {
    return {
      next: { expects: 'TO2.OVNextEntry', shown, numOVEntries, position },
      reply: messageOf(GetOVNextEntry, { ovEntryNum: position.index }),
      effects: [],
    }
  }
  if (!sameKey(position.key.value.key, shown.ownerKey.key)) {
    throw refused('TO2.ProveOVHdr is not signed by whom the voucher leads to')
  }
  return await proveDevice(shown, context)
}

/** The answer is to this Hello of ours, and to all of it: nobody talked us down to a weaker suite. */
function checkAnswer(
  state: HeaderExpected,
  payload: ProveOVHdrPayload,
  context: To2DeviceContext,
): void {
  const { nonceTO2ProveOV, helloDeviceHash, eBSigInfo } = payload
  if (!equalBytes(nonceTO2ProveOV, state.nonceTO2ProveOV)) {
    throw refused('NonceTO2ProveOV is not ours')
  }
  if (!sameHash(hashOf(helloDeviceHash.type, state.hello), helloDeviceHash)) {
    throw refused('helloDeviceHash is not that of our TO2.HelloDevice')
  }
  const sent = sigInfoOf(context.signer)
  if (eBSigInfo.sgType !== sent.sgType || !equalBytes(eBSigInfo.info, sent.info)) {
    throw refused('eBSigInfo does not repeat eASigInfo')
  }
}

function checkSuites(ownerKey: VerifyKey, context: To2DeviceContext): void {
  const kex = findKex(context.kex)
  if (!kex || !isKexAllowed(kex, ownerKey.kind)) {
    throw refused(`${context.kex} with a ${ownerKey.kind} owner key`)
  }
}

/** Whoever left the address at the rendezvous must be the one who answers there. */
async function checkRedirect(to1d: Kept<Sign1> | undefined, ownerKey: VerifyKey): Promise<void> {
  if (to1d && !(await verifySign1(to1d.value, ownerKey))) {
    throw refused('to1d is not signed by the key of TO2.ProveOVHdr')
  }
}

function refused(reason: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `TO2: ${reason}`)
}
