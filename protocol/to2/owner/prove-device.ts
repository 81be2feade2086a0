/** TO2, the Owner's side, 64 and 65: the Device proves itself, the tunnel opens, and the Device is told who it is to be. */
import { equalBytes } from '../../bytes.ts'
import { encodeAs } from '../../cbor/schema.ts'
import { EUPH_NONCE, headerOf } from '../../cose/headers.ts'
import { signSign1 } from '../../cose/sign1.ts'
import { CIPHERS, findKex } from '../../crypto/kex/suites.ts'
import { FdoError } from '../../errors.ts'
import { Nonce } from '../../types/base.ts'
import { parseEat } from '../../types/eat.ts'
import { verifyProof } from '../../types/sig-info.ts'
import { type Voucher, buildHeader, ownerKeyOf } from '../../voucher/voucher.ts'
import { type ProveDevice, SetupDevice, SetupDevicePayload } from '../messages.ts'
import { type Inside, type Tunnel, sealStep, startTunnel } from '../tunnel.ts'
import { deviceKeyOf, servedVoucher, sizeEffects } from './prove-voucher.ts'
import type {
  NewCredential,
  OwnerStep,
  ProofExpected,
  ServedVoucher,
  To2OwnerContext,
  To2OwnerEffect,
  To2OwnerState,
} from './state.ts'

export async function proveDevice(
  state: ProofExpected,
  token: ProveDevice,
  context: To2OwnerContext,
): OwnerStep {
  const served = await servedVoucher(state.guid, context)
  const { nonceTO2SetupDv, xB, isOfDraft } = await checkProof(state, token, served)
  const tunnel = await openTunnel(state, xB, served, context)

  // Divergence: fdo-rs has no HMAC for a new credential, whatever it is offered: it gets its own.
  const chosen = isOfDraft ? 'reuse' : await context.newCredential(served)
  const credential = chosen === 'reuse' ? sameCredential(served) : chosen
  const { guid, nonceTO2ProveDv, maxDeviceMessageSize } = state
  const { deviceId, revision: voucherRevision } = served
  const run = { guid, deviceId, voucherRevision, nonceTO2ProveDv }
  const step = sealStep<To2OwnerState, To2OwnerEffect>(
    {
      next: {
        expects: 'TO2.DeviceServiceInfoReady',
        tunnel,
        run,
        nonceTO2SetupDv,
        replacementHeader: chosen === 'reuse' ? null : replacementHeader(served.voucher, chosen),
        maxDeviceMessageSize,
      },
      reply: await setupDevice(credential, nonceTO2SetupDv),
      effects: [{ type: 'onboarding-started', run }],
    },
    tunnel,
    context.randomBytes,
  )
  const oversize = step.reply ? sizeEffects(guid, maxDeviceMessageSize, step.reply) : []
  return { ...step, effects: [...step.effects, ...oversize] }
}

interface Proof {
  readonly nonceTO2SetupDv: Nonce
  readonly xB: Uint8Array
  readonly isOfDraft: boolean
}

/** One code for all of it: a Device that is who it says fails none of these. */
async function checkProof(
  state: ProofExpected,
  { value: token }: ProveDevice,
  { voucher }: ServedVoucher,
): Promise<Proof> {
  if (!(await verifyProof(token, state.sgType, deviceKeyOf(voucher)))) {
    throw refused('the signature does not verify')
  }
  try {
    const { nonce, guid, xBKeyExchange, isOfDraft = false } = parseEat(token.payload)
    if (!equalBytes(nonce, state.nonceTO2ProveDv)) throw refused('NonceTO2ProveDv is not ours')
    if (!equalBytes(guid, state.guid)) throw refused('UEID is not the GUID from TO2.HelloDevice')
    if (!xBKeyExchange) throw refused('no FDO claim')
    const nonceTO2SetupDv = headerOf(token.unprotectedHeader, EUPH_NONCE, Nonce, 'EUPHNonce')
    return { nonceTO2SetupDv, xB: xBKeyExchange, isOfDraft }
  } catch (cause) {
    if (cause instanceof FdoError && cause.code === 'MESSAGE_BODY_ERROR') {
      throw refused(cause.message, cause)
    }
    throw cause
  }
}

/** After the signature: a stranger gets no operation of the owner's private key. */
async function openTunnel(
  state: ProofExpected,
  xB: Uint8Array,
  { signer }: ServedVoucher,
  context: To2OwnerContext,
): Promise<Tunnel> {
  const kex = findKex(state.kex)
  const cipher = CIPHERS.get(state.cipher)
  if (!kex || !cipher) throw new Error('a run with suites that are no longer known')
  const key = await context.keyExchange.finish({ kex, cipher }, state.kexSecret, xB, signer)
  return startTunnel(cipher, key, 'owner', context.randomBytes)
}

/** Credential reuse: the Device recognizes what it has, and keeps it. */
function sameCredential({ voucher, signer }: ServedVoucher): NewCredential {
  const { guid, rvInfo } = voucher.header.value
  return { guid, rvInfo, owner2Key: ownerKeyOf(voucher), owner2Signer: signer }
}

function replacementHeader(voucher: Voucher, { guid, rvInfo, owner2Key }: NewCredential) {
  const { deviceInfo, deviceCertChainHash } = voucher.header.value
  return buildHeader({ guid, rvInfo, deviceInfo, publicKey: owner2Key, deviceCertChainHash }).bytes
}

async function setupDevice(credential: NewCredential, nonceTO2SetupDv: Nonce): Promise<Inside> {
  const { guid, rvInfo, owner2Key, owner2Signer } = credential
  const payload = encodeAs(SetupDevicePayload, { rvInfo, guid, nonceTO2SetupDv, owner2Key })
  return { number: SetupDevice.number, plaintext: await signSign1(owner2Signer, payload) }
}

function refused(reason: string, cause?: unknown): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `TO2.ProveDevice: ${reason}`, { cause })
}
