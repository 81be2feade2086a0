/** TO0, the Rendezvous Server's side: who may say where a Device finds its Owner. */
import { type Bytes, EMPTY, equalBytes } from '../bytes.ts'
import { tuple, uint } from '../cbor/schema.ts'
import { verifySign1 } from '../cose/sign1.ts'
import { SHA256, hashOf, sameHash } from '../crypto/hash.ts'
import { type VerifyKey, importSpki } from '../crypto/verify-key.ts'
import { FdoError } from '../errors.ts'
import { messageOf } from '../message.ts'
import { type Role, type StateSchemas, type Step, on } from '../role.ts'
import { type Guid, Nonce, type RandomBytes } from '../types/base.ts'
import { type To2Addresses, findAddressFlaw } from '../types/to2-address.ts'
import { type VerifyOptions, findVoucherFlaw } from '../voucher/verify.ts'
import { type Voucher, VoucherError, ownerKeyOf } from '../voucher/voucher.ts'
import { spkiOfCertificate } from '../x509/certificate.ts'
import { AcceptOwner, Hello, HelloAck, OwnerSign, parseTo1d } from './messages.ts'

export type To0RendezvousState =
  | { readonly expects: 'TO0.Hello' }
  | {
      readonly expects: 'TO0.OwnerSign'
      readonly nonceTO0Sign: Nonce
      /** See To0RendezvousContext.order. */
      readonly order: number
    }

export const to0RendezvousStates: StateSchemas<To0RendezvousState> = {
  'TO0.Hello': tuple({}),
  'TO0.OwnerSign': tuple({ nonceTO0Sign: Nonce, order: uint() }),
}

/** What an Owner asks for; everything about it has been verified. */
export interface Offer {
  readonly guid: Guid
  readonly voucher: Voucher
  readonly ownerKey: VerifyKey
  readonly addresses: To2Addresses
  readonly waitSeconds: number
}

export interface To0RendezvousContext {
  readonly randomBytes: RandomBytes
  /**
   * The device CAs accepted for this voucher, of which nothing has been verified yet, and the time
   * certificates are held against. Throws an FdoError where nothing would help it.
   */
  trust(voucher: Voucher): Promise<VerifyOptions> | VerifyOptions
  /** A number that is larger for each run that begins: tells an older TO0.OwnerSign by it. */
  order(): number
  /** For how many seconds; throws an FdoError to refuse. The same offer gets the same answer. */
  admit(offer: Offer): Promise<number> | number
}

/**
 * To be stored for so long, unless it may not take the place of what is stored already: see
 * replaces() in replacement.ts.
 */
export interface To0RendezvousEffect {
  readonly type: 'registered'
  readonly guid: Guid
  /** Signed by the Owner: kept and sent on byte for byte. */
  readonly to1d: Bytes
  readonly deviceKey: VerifyKey
  readonly ownerKey: VerifyKey
  /** SHA-256 of every entry, in order, at least one: which sales led to this Owner. */
  readonly entryHashes: readonly Bytes[]
  readonly order: number
  readonly waitSeconds: number
}

type To0Step = Step<To0RendezvousState, To0RendezvousEffect>

function hello(_state: unknown, _hello: Hello, context: To0RendezvousContext): To0Step {
  const nonceTO0Sign = context.randomBytes(16)
  return {
    next: { expects: 'TO0.OwnerSign', nonceTO0Sign, order: context.order() },
    reply: messageOf(HelloAck, { nonceTO0Sign }),
    effects: [],
  }
}

async function ownerSign(
  state: Extract<To0RendezvousState, { expects: 'TO0.OwnerSign' }>,
  { to0d, to1d }: OwnerSign,
  context: To0RendezvousContext,
): Promise<To0Step> {
  const { voucher, waitSeconds: asked, nonceTO0Sign } = to0d.value
  const { to1dRV: addresses, to1dTo0dHash } = parseTo1d(to1d.value)
  const flaw = findAddressFlaw(addresses)
  if (flaw) throw new FdoError('MESSAGE_BODY_ERROR', `TO0.OwnerSign: ${flaw}`)

  // The cheap checks come first: a voucher may hold 255 signatures.
  if (!equalBytes(nonceTO0Sign, state.nonceTO0Sign)) throw refused('NonceTO0Sign is not ours')
  if (!sameHash(hashOf(to1dTo0dHash.type, to0d.bytes), to1dTo0dHash)) {
    throw refused('to1dTo0dHash is not the hash of to0d')
  }
  const deviceKey = await deviceKeyOf(voucher, context)
  const ownerKey = ownerKeyOf(voucher).value.key
  if (!(await verifySign1(to1d.value, ownerKey))) {
    throw new FdoError('INVALID_OWNER_SIGN_BODY', 'to1d is not signed by the last owner')
  }

  const { guid } = voucher.header.value
  const waitSeconds = await context.admit({
    guid,
    voucher,
    ownerKey,
    addresses,
    waitSeconds: asked,
  })
  const entryHashes = voucher.entries.map((entry) => hashOf(SHA256, entry.bytes).value)
  const { order } = state
  const registered = {
    guid,
    to1d: to1d.bytes,
    deviceKey,
    ownerKey,
    entryHashes,
    order,
    waitSeconds,
  }
  return {
    next: null,
    reply: messageOf(AcceptOwner, { waitSeconds }),
    effects: [{ type: 'registered', ...registered }],
  }
}

/** The key of the Device the voucher is for, once every link of the voucher has been verified. */
async function deviceKeyOf(voucher: Voucher, context: To0RendezvousContext): Promise<VerifyKey> {
  if (voucher.entries.length === 0) {
    throw new VoucherError({ check: 'no-entries', detail: 'nobody to register for' })
  }
  const flaw = await findVoucherFlaw(voucher, await context.trust(voucher))
  if (flaw) throw new VoucherError(flaw)
  // There is one: a voucher without certificates has a flaw.
  const [certificate = EMPTY] = voucher.deviceCertChain ?? []
  return importSpki(spkiOfCertificate(certificate))
}

function refused(reason: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `TO0.OwnerSign: ${reason}`)
}

export const to0Rendezvous: Role<To0RendezvousState, To0RendezvousContext, To0RendezvousEffect> = {
  'TO0.Hello': [on(Hello, hello)],
  'TO0.OwnerSign': [on(OwnerSign, ownerSign)],
}
