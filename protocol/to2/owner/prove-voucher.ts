/** TO2, the Owner's side, 60 to 63: the voucher is shown, and the key exchange begun. */
import { CUPH_NONCE, CUPH_OWNER_PUB_KEY } from '../../cose/headers.ts'
import { signSign1 } from '../../cose/sign1.ts'
import { type CborValue, Encoded } from '../../cbor/cbor.ts'
import { encodeAs } from '../../cbor/schema.ts'
import { hashOf, hashTypeOf } from '../../crypto/hash.ts'
import { CIPHERS, findKex, isKexAllowed } from '../../crypto/kex/suites.ts'
import { type VerifyKey, importSpki } from '../../crypto/verify-key.ts'
import { FdoError } from '../../errors.ts'
import { type Message, messageOf, messageOfBytes } from '../../message.ts'
import { isKnownSgType } from '../../types/sig-info.ts'
import { type Voucher, ownerKeyOf } from '../../voucher/voucher.ts'
import { spkiOfCertificate } from '../../x509/certificate.ts'
import { toHex } from '../../bytes.ts'
import type { Guid } from '../../types/base.ts'
import type { Suites } from '../key-exchange.ts'
import {
  type GetOVNextEntry,
  type HelloDevice,
  OVNextEntry,
  ProveOVHdr,
  ProveOVHdrPayload,
} from '../messages.ts'
import type {
  HelloExpected,
  OwnerStep,
  ProofExpected,
  ServedVoucher,
  To2OwnerContext,
  To2OwnerEffect,
} from './state.ts'

const MAX_OWNER_MESSAGE_BYTES = 0xffff
/** Announcing less sets no limit: no message of ours fits, and fdo-rs says 17. */
const LEAST_MESSAGE_BYTES = 1300

export async function helloDevice(
  _state: HelloExpected,
  hello: HelloDevice,
  context: To2OwnerContext,
): OwnerStep {
  const { guid, eASigInfo, cipherSuiteName: cipher, maxDeviceMessageSize } = hello.value
  const served = await context.findVoucher(guid)
  // Without an entry nobody but the manufacturer's key vouches for us.
  if (!served || served.voucher.entries.length === 0) {
    throw new FdoError('RESOURCE_NOT_FOUND', `no voucher for ${toHex(guid)}`)
  }
  const suites = chooseSuites(hello, served, context)
  const nonceTO2ProveDv = context.randomBytes(16)
  const exchange = await context.keyExchange.start(suites, context.randomBytes)
  const reply = await proveOVHdr(hello, served, { nonceTO2ProveDv, xA: exchange.xA })
  return {
    next: {
      expects: 'TO2.ProveDevice',
      guid,
      nonceTO2ProveDv,
      kex: suites.kex.name,
      kexSecret: exchange.secret,
      cipher,
      sgType: eASigInfo.sgType,
      maxDeviceMessageSize,
    },
    reply,
    effects: sizeEffects(guid, maxDeviceMessageSize, reply),
  }
}

/** The Device chooses, and cannot be made another offer: what we do not want is refused. */
function chooseSuites(
  { value: hello }: HelloDevice,
  { signer }: ServedVoucher,
  context: To2OwnerContext,
): Suites {
  const { sgType } = hello.eASigInfo
  if (!isKnownSgType(sgType)) throw refused(`signature type ${sgType}`)
  const cipher = CIPHERS.get(hello.cipherSuiteName)
  if (!cipher || !context.ciphers.includes(cipher.id)) {
    throw refused(`cipher suite ${hello.cipherSuiteName}`)
  }
  const kex = findKex(hello.kexSuiteName)
  if (!kex) throw refused('unknown key exchange')
  if (!isKexAllowed(kex, signer.key.kind)) {
    throw refused(`${kex.name} with a ${signer.key.kind} owner key`)
  }
  return { kex, cipher }
}

async function proveOVHdr(
  hello: HelloDevice,
  { voucher, signer }: ServedVoucher,
  fresh: { readonly nonceTO2ProveDv: Uint8Array; readonly xA: Uint8Array },
): Promise<Message> {
  const payload = encodeAs(ProveOVHdrPayload, {
    ovHeader: voucher.header,
    numOVEntries: voucher.entries.length,
    hmac: voucher.headerHMac,
    nonceTO2ProveOV: hello.value.nonceTO2ProveOV,
    eBSigInfo: hello.value.eASigInfo,
    xAKeyExchange: fresh.xA,
    // As strong as the Device's own HMAC: it can compute that, whatever its Owner's key is.
    helloDeviceHash: hashOf(hashTypeOf(voucher.headerHMac.value.type), hello.bytes),
    maxOwnerMessageSize: MAX_OWNER_MESSAGE_BYTES,
  })
  const unprotected = new Map<number, CborValue>([
    [CUPH_NONCE, fresh.nonceTO2ProveDv],
    // Some testers compare encodings, not keys: as the voucher has it, byte for byte.
    [CUPH_OWNER_PUB_KEY, new Encoded(ownerKeyOf(voucher).bytes)],
  ])
  return messageOfBytes(ProveOVHdr, await signSign1(signer, payload, unprotected))
}

/** Changes nothing and reveals nothing new: it may be asked for any entry, any number of times. */
export async function getOVNextEntry(
  state: ProofExpected,
  { ovEntryNum }: GetOVNextEntry,
  context: To2OwnerContext,
): OwnerStep {
  const { voucher } = await servedVoucher(state.guid, context)
  const ovEntry = voucher.entries[ovEntryNum]
  if (!ovEntry) throw refused(`entry ${ovEntryNum} of ${voucher.entries.length}`)
  const reply = messageOf(OVNextEntry, { ovEntryNum, ovEntry })
  const effects = sizeEffects(state.guid, state.maxDeviceMessageSize, reply)
  return { next: state, reply, effects }
}

/** The voucher this run began with, which may have left our hands since. */
export async function servedVoucher(guid: Guid, context: To2OwnerContext): Promise<ServedVoucher> {
  const served = await context.findVoucher(guid)
  if (!served) throw refused(`the voucher for ${toHex(guid)} is gone`)
  return served
}

/** The key the Device attests with, from its certificate. */
export function deviceKeyOf({ deviceCertChain }: Voucher): VerifyKey {
  const leaf = deviceCertChain?.[0]
  if (!leaf) throw refused('the voucher has no device certificate')
  return importSpki(spkiOfCertificate(leaf))
}

/** Sent whatever its size: what a Device announces is often less than what it takes. */
export function sizeEffects(guid: Guid, announced: number, reply: Message): To2OwnerEffect[] {
  const limit = messageLimitOf(announced)
  if (limit === undefined || reply.bytes.length <= limit) return []
  const { number, bytes } = reply
  return [{ type: 'announced-size-exceeded', guid, number, bytes: bytes.length, announced: limit }]
}

/** How long a message the Device takes, as far as it has said so. */
export function messageLimitOf(maxDeviceMessageSize: number): number | undefined {
  return maxDeviceMessageSize < LEAST_MESSAGE_BYTES ? undefined : maxDeviceMessageSize
}

function refused(reason: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `TO2: ${reason}`)
}
