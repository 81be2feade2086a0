/** TO2, the Device's side, 64 to 66: it proves itself, and learns who it is to be. */
import { equalBytes } from '../../bytes.ts'
import { decodeAs } from '../../cbor/schema.ts'
import { EUPH_NONCE } from '../../cose/headers.ts'
import { type Sign1, signSign1, verifySign1 } from '../../cose/sign1.ts'
import type { Kept } from '../../cbor/schema.ts'
import type { NewOwner } from '../../credential/device-credential.ts'
import { type HMac, hmacOf } from '../../crypto/hash.ts'
import { CIPHERS, findKex } from '../../crypto/kex/suites.ts'
import { sameKey } from '../../crypto/public-key.ts'
import { FdoError } from '../../errors.ts'
import { messageOfBytes } from '../../message.ts'
import { buildEat } from '../../types/eat.ts'
import { buildHeader } from '../../voucher/voucher.ts'
import { DeviceServiceInfoReady, ProveDevice, SetupDevicePayload } from '../messages.ts'
import { insideOf, startTunnel } from '../tunnel.ts'
import type {
  DeviceInnerStep,
  DeviceStep,
  SetupExpected,
  ShownVoucher,
  To2DeviceContext,
} from './state.ts'

/** The voucher led to whom we talk to: now it is our turn. */
export async function proveDevice(shown: ShownVoucher, context: To2DeviceContext): DeviceStep {
  const { randomBytes, credential, signer } = context
  const kex = findKex(context.kex)
  const cipher = CIPHERS.get(context.cipher)
  if (!kex || !cipher) throw new Error('a suite this device does not have')
  const nonceTO2SetupDv = randomBytes(16)
  const suites = { kex, cipher }
  const { xB, key } = await context.keyExchange.answer(
    suites,
    shown.xA,
    shown.ownerKey.key,
    randomBytes,
  )
  const tunnel = startTunnel(cipher, key, 'device', randomBytes)
  const payload = buildEat({
    nonce: shown.nonceTO2ProveDv,
    guid: credential.guid,
    xBKeyExchange: xB,
  })
  const token = await signSign1(signer, payload, new Map([[EUPH_NONCE, nonceTO2SetupDv]]))
  return {
    next: { expects: 'TO2.SetupDevice', tunnel, shown, nonceTO2SetupDv },
    reply: messageOfBytes(ProveDevice, token),
    effects: [],
  }
}

export async function setupDevice(
  state: SetupExpected,
  { value: message }: Kept<Sign1>,
  context: To2DeviceContext,
): DeviceInnerStep {
  const setup = decodeAs(SetupDevicePayload, message.payload, 'TO2.SetupDevice')
  // By the key it names: who is to own us must have that key, and not merely know of it.
  if (!(await verifySign1(message, setup.owner2Key.value.key))) {
    throw refused('the signature is not by Owner2Key')
  }
  if (!equalBytes(setup.nonceTO2SetupDv, state.nonceTO2SetupDv)) {
    throw refused('NonceTO2SetupDv is not ours')
  }
  const isReuse = leavesAllAsItIs(setup, state.shown)
  if (isReuse && !context.acceptsReuse) {
    throw new FdoError('CRED_REUSE_ERROR', 'TO2.SetupDevice: the owner offers no new credential')
  }
  const { tunnel, shown, nonceTO2SetupDv } = state
  const newOwner = isReuse ? null : setup
  return {
    next: {
      expects: 'TO2.OwnerServiceInfoReady',
      tunnel,
      shown,
      nonceTO2SetupDv,
      newOwner,
    },
    reply: insideOf(DeviceServiceInfoReady, {
      replacementHMac: newOwner && replacementHMac(newOwner, shown, context),
      maxOwnerServiceInfoSz: context.maxOwnerServiceInfoSz,
    }),
    effects: [],
  }
}

/** Credential reuse: same GUID, same RendezvousInfo, same owner. */
function leavesAllAsItIs(setup: NewOwner, { header, ownerKey }: ShownVoucher): boolean {
  return (
    equalBytes(setup.guid, header.value.guid) &&
    equalBytes(setup.rvInfo.bytes, header.value.rvInfo.bytes) &&
    sameKey(setup.owner2Key.value.key, ownerKey.key)
  )
}

/** Over the header that the Owner will put into the replacement voucher, as strong as before. */
function replacementHMac(
  { guid, rvInfo, owner2Key: publicKey }: NewOwner,
  { header, headerHMac }: ShownVoucher,
  { credential }: To2DeviceContext,
): HMac {
  const { deviceInfo, deviceCertChainHash } = header.value
  const { bytes } = buildHeader({ guid, rvInfo, deviceInfo, publicKey, deviceCertChainHash })
  return hmacOf(headerHMac.type, credential.hmacSecret, bytes)
}

function refused(reason: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `TO2.SetupDevice: ${reason}`)
}
