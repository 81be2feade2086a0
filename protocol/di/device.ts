/** DI, the Device's side: it asks for an identity and keeps the credential it gets. */
import type { Bytes } from '../bytes.ts'
import { type DeviceCredential, credentialFrom } from '../credential/device-credential.ts'
import { HMAC_SHA256, HMAC_SHA384, SHA384, hashTypeOf, hmacOf } from '../crypto/hash.ts'
import { FdoError } from '../errors.ts'
import { messageOf } from '../message.ts'
import { type Role, type Step, on } from '../role.ts'
import { PROT_VER } from '../types/base.ts'
import { type DeviceMfgInfo, buildMfgInfo } from '../types/device-mfg-info.ts'
import { isEmptyRendezvousInfo } from '../types/rendezvous-info.ts'
import type { OVHeader } from '../voucher/voucher.ts'
import { AppStart, Done, SetCredentials, SetHMAC } from './messages.ts'

export type DiDeviceState =
  | { readonly expects: 'DI.SetCredentials' }
  | { readonly expects: 'DI.Done'; readonly credential: DeviceCredential }

export interface DiDeviceContext {
  readonly info: DeviceMfgInfo
  /** Made by the Device for this credential; nobody else ever knows it. */
  readonly hmacSecret: Bytes
}

/** To be stored, and to count only from now on: the manufacturer has the voucher. */
export interface DiDeviceEffect {
  readonly type: 'credential-made'
  readonly credential: DeviceCredential
}

type DiDeviceStep = Step<DiDeviceState, DiDeviceEffect>

export function beginDi({ info }: DiDeviceContext): DiDeviceStep {
  const reply = messageOf(AppStart, { deviceMfgInfo: buildMfgInfo(info) })
  return { next: { expects: 'DI.SetCredentials' }, reply, effects: [] }
}

function setCredentials(
  _state: unknown,
  { header }: SetCredentials,
  { info, hmacSecret }: DiDeviceContext,
): DiDeviceStep {
  const flaw = findHeaderFlaw(header.value, info)
  if (flaw) throw new FdoError('INVALID_MESSAGE_ERROR', `DI.SetCredentials: ${flaw}`)
  // As strong as the manufacturer's own hash: this is what every later hash follows.
  const type = header.value.deviceCertChainHash?.type === SHA384 ? HMAC_SHA384 : HMAC_SHA256
  const hmac = hmacOf(type, hmacSecret, header.bytes)
  const credential = credentialFrom(header.value, hmacSecret, hashTypeOf(type))
  return {
    next: { expects: 'DI.Done', credential },
    reply: messageOf(SetHMAC, { hmac }),
    effects: [],
  }
}

function findHeaderFlaw(header: OVHeader, asked: DeviceMfgInfo): string | undefined {
  const { type, encoding } = header.publicKey.value
  if (header.protVer !== PROT_VER) return `version ${header.protVer}`
  if (isEmptyRendezvousInfo(header.rvInfo.value)) return 'nowhere to look for an owner'
  if (!header.deviceCertChainHash) return 'no device certificate'
  if (type !== asked.keyType) return `a manufacturer key of type ${type}, not as asked`
  if (encoding !== asked.keyEncoding) return `a manufacturer key in encoding ${encoding}`
  return undefined
}

function done(state: Extract<DiDeviceState, { expects: 'DI.Done' }>): DiDeviceStep {
  const { credential } = state
  return { next: null, reply: null, effects: [{ type: 'credential-made', credential }] }
}

export const diDevice: Role<DiDeviceState, DiDeviceContext, DiDeviceEffect> = {
  'DI.SetCredentials': [on(SetCredentials, setCredentials)],
  'DI.Done': [on(Done, done)],
}
