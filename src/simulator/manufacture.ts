/** The device in the factory: DI, from a fresh key to a credential in its file. */
import { randomBytes } from 'node:crypto'
import { toHex } from '../../protocol/bytes.ts'
import { type FdoTransport, converse } from '../../protocol/converse.ts'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'
import { DEFAULT_TYPE } from '../../protocol/crypto/public-key.ts'
import { signerFromPkcs8 } from '../../protocol/crypto/signer.ts'
import { beginDi, diDevice } from '../../protocol/di/device.ts'
import { buildCsr } from '../../protocol/x509/build-csr.ts'
import { CliFailure } from '../cli/failure.ts'
import { type CredentialFile, readCredentialFile, writeCredentialFile } from './credential-file.ts'
import { ENCODINGS, type EncodingName, SUITE_FOR, makeKey } from './keys.ts'

export interface ManufactureOptions {
  readonly transport: FdoTransport
  readonly credentialPath: string
  readonly key: KeyKind
  /** The kind of owner key the device can work with. */
  readonly ownerKey: KeyKind
  readonly encoding: EncodingName
  readonly serial: string
  readonly model: string
}

/** HMAC secrets: as long as the strongest hash they may be used with. */
const HMAC_SECRET_BYTES = 48

/**
 * Gives the new device's GUID. The key is in the file before DI begins, so that a DI that was cut
 * off is repeated by the same device and not by a second one.
 */
export async function manufactureDevice(options: ManufactureOptions): Promise<string> {
  const { transport, credentialPath, ownerKey, encoding, serial, model } = options
  const file = await beginFile(options)
  const signer = signerFromPkcs8(file.pkcs8)
  const info = {
    keyType: DEFAULT_TYPE[ownerKey],
    keyEncoding: ENCODINGS[encoding],
    serial,
    deviceInfo: model,
    csr: await buildCsr(signer, serial),
  }
  const context = { info, hmacSecret: file.hmacSecret }
  const [effect] = await converse({
    role: diDevice,
    first: beginDi(context),
    context,
    transport,
    now: () => new Date(),
  })
  if (!effect) throw new Error('DI ended without a credential')
  writeCredentialFile(credentialPath, { ...file, credential: effect.credential })
  return toHex(effect.credential.guid)
}

async function beginFile(options: ManufactureOptions): Promise<CredentialFile> {
  const { credentialPath, key, ownerKey, serial, model } = options
  const existing = readCredentialFile(credentialPath)
  if (existing?.credential) {
    throw new CliFailure('failed', `${credentialPath} holds a device that is made already`, {
      code: 'exists',
      next: 'choose another file, or remove this one to make another device',
    })
  }
  // A DI that was begun and cut off: its key is what makes it the same device.
  if (existing && existing.serial === serial) return existing
  const { kex, cipher } = SUITE_FOR[ownerKey]
  const file: CredentialFile = {
    version: 1,
    pkcs8: await makeKey(key),
    hmacSecret: randomBytes(HMAC_SECRET_BYTES),
    serial,
    model,
    kex,
    cipher,
    credential: null,
  }
  writeCredentialFile(credentialPath, file)
  return file
}
