/** DI, the Manufacturer's side: from a certificate request to an Ownership Voucher. */
import { type Bytes, concat } from '../bytes.ts'
import { type Kept, bytes, keep, listOf, text, tuple } from '../cbor/schema.ts'
import type { KeyKind } from '../cose/algorithms.ts'
import { type HashType, SHA256, SHA384, hashOf } from '../crypto/hash.ts'
import { PublicKey } from '../crypto/public-key.ts'
import type { Signer } from '../crypto/signer.ts'
import { FdoError } from '../errors.ts'
import { messageOf } from '../message.ts'
import { type Role, type StateSchemas, type Step, on } from '../role.ts'
import type { Guid, RandomBytes } from '../types/base.ts'
import { type DeviceMfgInfo, parseMfgInfo } from '../types/device-mfg-info.ts'
import type { RendezvousInfo } from '../types/rendezvous-info.ts'
import { extendVoucher } from '../voucher/extend.ts'
import { buildHeader, buildVoucher, parseVoucher } from '../voucher/voucher.ts'
import { spkiOfCertificate } from '../x509/certificate.ts'
import { type Csr, parseCsr } from '../x509/csr.ts'
import { AppStart, Done, SetCredentials, SetHMAC } from './messages.ts'

export type DiManufacturerState =
  | { readonly expects: 'DI.AppStart' }
  | {
      readonly expects: 'DI.SetHMAC'
      /** The content of the bstr sent, which is what the HMAC covers. */
      readonly header: Bytes
      /** DER certificates, the Device's first. */
      readonly deviceCertChain: readonly Bytes[]
      readonly serial: string
      readonly order: string
    }

export const diManufacturerStates: StateSchemas<DiManufacturerState> = {
  'DI.AppStart': tuple({}),
  'DI.SetHMAC': tuple({
    header: bytes(),
    deviceCertChain: listOf(bytes(), 1),
    serial: text,
    order: text,
  }),
}

/** What a Device that is let in gets. */
export interface Admission {
  readonly rvInfo: Kept<RendezvousInfo>
  /** Issued for the key of the request, leaf first. */
  readonly deviceCertChain: readonly Bytes[]
  /** Of the type and in the encoding that the Device asked for. */
  readonly manufacturerKey: PublicKey
  /** The caller's own name for what the Device is made to; handed back with its voucher. */
  readonly order: string
}

/** Whom the Device is sold to as soon as it is made. */
export interface FirstSale {
  /** Of the manufacturer key in the header. */
  readonly signer: Signer
  readonly nextOwner: PublicKey
}

/** What is known of a Device when it is first sold. */
export interface MadeDevice {
  readonly manufacturerKey: PublicKey
  readonly serial: string
  readonly deviceInfo: string
  readonly order: string
}

export interface DiManufacturerContext {
  readonly randomBytes: RandomBytes
  /** Lets a Device in, or throws an FdoError; the request's own signature has been verified. */
  admit(info: DeviceMfgInfo, csr: Csr): Promise<Admission>
  /** Undefined where the voucher is to stay the manufacturer's. */
  findFirstOwner(made: MadeDevice): Promise<FirstSale | undefined>
}

export interface DiManufacturerEffect {
  readonly type: 'device-made'
  readonly guid: Guid
  readonly serial: string
  readonly deviceInfo: string
  readonly order: string
  /** DER SubjectPublicKeyInfo of the Device. */
  readonly deviceKey: Bytes
  readonly voucher: Bytes
}

type DiStep = Promise<Step<DiManufacturerState, DiManufacturerEffect>>

async function appStart(
  _state: unknown,
  { deviceMfgInfo }: AppStart,
  context: DiManufacturerContext,
): DiStep {
  const info = certifiableInfo(deviceMfgInfo)
  const csr = await parseCsr(info.csr)
  const { rvInfo, deviceCertChain, manufacturerKey, order } = await context.admit(info, csr)
  const hashType = hashTypeFor(csr.key.kind, manufacturerKey.key.kind)
  const header = buildHeader({
    guid: context.randomBytes(16),
    rvInfo,
    deviceInfo: info.deviceInfo,
    publicKey: keep(PublicKey, manufacturerKey),
    deviceCertChainHash: hashOf(hashType, concat(...deviceCertChain)),
  })
  return {
    next: {
      expects: 'DI.SetHMAC',
      header: header.bytes,
      deviceCertChain,
      serial: info.serial,
      order,
    },
    reply: messageOf(SetCredentials, { header }),
    effects: [],
  }
}

/** Only a Device that brings a key can be given a certificate, and one without can't onboard. */
function certifiableInfo(deviceMfgInfo: Bytes | null): DeviceMfgInfo {
  const info = parseMfgInfo(deviceMfgInfo)
  if (info.form === 'text') {
    throw refused('a plain text DeviceMfgInfo, as fdo-rs sends after its own DIUN; no key in it')
  }
  if (info.form === 'none') throw refused('no DeviceMfgInfo, so no key to certify')
  if (info.csr.length === 0) throw refused('an empty certificate request (OnDie is unsupported)')
  if (info.deviceInfo === '') throw refused('an empty device info')
  return info
}

async function setHMAC(
  state: Extract<DiManufacturerState, { expects: 'DI.SetHMAC' }>,
  { hmac }: SetHMAC,
  context: DiManufacturerContext,
): DiStep {
  const { header, deviceCertChain: chain, serial, order } = state
  const unsold = parseVoucher(buildVoucher({ header, hmac, chain }))
  const { guid, deviceInfo, publicKey } = unsold.header.value
  // As the Device leaves the factory: its first sale is in the voucher, where there is one.
  const sale = await context.findFirstOwner({
    manufacturerKey: publicKey.value,
    serial,
    deviceInfo,
    order,
  })
  const voucher = sale ? await extendVoucher(unsold, sale.signer, sale.nextOwner) : unsold.bytes
  const deviceKey = spkiOfCertificate(chain[0] as Bytes)
  return {
    next: null,
    reply: messageOf(Done, {}),
    effects: [{ type: 'device-made', guid, serial, deviceInfo, order, deviceKey, voucher }],
  }
}

/**
 * How strong the hashes of a voucher are. FDO 1.1, "Hash / HMAC": what the two keys call for;
 * where they differ, the stronger if either is P-384.
 */
export function hashTypeFor(device: KeyKind, owner: KeyKind): HashType {
  const isBothRsa3072 = device === 'rsa3072' && owner === 'rsa3072'
  return isBothRsa3072 || device === 'p384' || owner === 'p384' ? SHA384 : SHA256
}

function refused(reason: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `DI.AppStart: ${reason}`)
}

export const diManufacturer: Role<
  DiManufacturerState,
  DiManufacturerContext,
  DiManufacturerEffect
> = {
  'DI.AppStart': [on(AppStart, appStart)],
  'DI.SetHMAC': [on(SetHMAC, setHMAC)],
}
