/** fdo.csr, the device's side: asks for a certificate, and keeps it with its key. */
import { type Bytes, equalBytes, toBase64, utf8 } from '../../bytes.ts'
import type { Item } from '../../cbor/scan.ts'
import { signerFromPkcs8 } from '../../crypto/signer.ts'
import { FdoError } from '../../errors.ts'
import type { DeviceHost, HostKey, NewFile } from '../../service-info/device-host.ts'
import type { DeviceModule, ModuleOutbox } from '../../service-info/module.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { parseCertsOnly } from '../../x509/certs-only.ts'
import { Tag } from '../../x509/der.ts'
import { derReader } from '../../x509/der-reader.ts'
import { certificatesToPem, toPem } from '../../x509/pem.ts'
import { IDENTITY, type IdentityNames } from '../identity.ts'
import { misuse } from '../refusal.ts'
import {
  CERTS_ONLY,
  CSR,
  DerText,
  ErrorCode,
  LooseText,
  parseKeyAndCertificates,
} from './messages.ts'

export interface CsrDeviceOptions {
  readonly names?: IdentityNames
  /** What is asked for: by default a certificate for a key made here. */
  readonly request?: 'simpleenroll' | 'simplereenroll' | 'serverkeygen'
  /** Ask first what the request should hold. What is answered is only checked to be readable. */
  readonly asksAttributes?: boolean
}

/** What it gets is put in its place when TO2 is complete: before, the certificate is worthless. */
export function csrDevice(host: DeviceHost, options: CsrDeviceOptions = {}): DeviceModule {
  const { names = IDENTITY, request = 'simpleenroll', asksAttributes = false } = options
  const awaited = new Set<string>()
  let key: HostKey | undefined
  let notBefore: Date | undefined
  const staged: NewFile[] = []

  async function activate(outbox: ModuleOutbox): Promise<void> {
    ask('cacerts', CERTS_ONLY, outbox)
    if (asksAttributes) ask('csrattrs', 0, outbox)
    else await enroll(outbox)
  }

  function ask(what: string, value: string | number, outbox: ModuleOutbox): void {
    awaited.add(`${what}-res`)
    outbox.send(`${what}-req`, value)
  }

  async function enroll(outbox: ModuleOutbox): Promise<void> {
    key = await host.keys.generate()
    ask(request, toBase64(await key.createCsr()), outbox)
  }

  async function receive(message: string, value: Item, outbox: ModuleOutbox): Promise<void> {
    const path = `${CSR}:${message}`
    if (message === 'error') {
      host.warn(`the owner answered ${CSR} with error ${ErrorCode.parse(value, path)}`)
      // Errors do not say what they answer: requests are answered in order.
      if (awaited.delete('csrattrs-res')) await enroll(outbox)
      return
    }
    if (!awaited.delete(message)) throw misuse(`${path} that was not asked for`)
    if (message === 'csrattrs-res') {
      DerText.parse(value, path)
      await enroll(outbox)
    } else if (message === 'cacerts-res') {
      await stage(names.ca, certificatesToPem(readCertificates(DerText.parse(value, path))))
    } else if (message === 'serverkeygen-res') {
      const made = parseKeyAndCertificates(LooseText.parse(value, path), path)
      await keep(made.pkcs8, spkiOfKey(made.pkcs8, path), made.certificates, path)
    } else if (key) {
      await keep(key.pkcs8, key.spki, DerText.parse(value, path), path)
    }
  }

  async function keep(pkcs8: Bytes, spki: Bytes, encoded: Bytes, path: string): Promise<void> {
    const chain = readCertificates(encoded)
    const certificate = parseCertificate(chain[0] as Bytes)
    if (!equalBytes(certificate.spki, spki)) throw misuse(`${path}: it is for another key`)
    notBefore = certificate.notBefore
    await stage(names.key, toPem('PRIVATE KEY', pkcs8))
    await stage(names.certificate, certificatesToPem(chain))
  }

  async function stage(name: string, content: string): Promise<void> {
    const file = await host.files.create(name)
    staged.push(file)
    await file.write(utf8(content))
  }

  async function finish(): Promise<void> {
    for (const file of staged.splice(0)) await file.commit()
    if (notBefore) await host.clock.raiseFloor(notBefore)
  }

  async function close(): Promise<void> {
    for (const file of staged.splice(0)) await file.discard()
  }

  return { name: CSR, activate, receive, finish, close }
}

/** A certs-only message, or a certificate by itself; each is one that can be read. */
function readCertificates(encoded: Bytes): readonly Bytes[] {
  const isMessage = derReader(encoded).next(Tag.OID)
  const certificates = isMessage ? parseCertsOnly(encoded) : [encoded]
  for (const certificate of certificates) parseCertificate(certificate)
  return certificates
}

function spkiOfKey(pkcs8: Bytes, path: string): Bytes {
  try {
    return signerFromPkcs8(pkcs8).key.spki
  } catch (cause) {
    throw new FdoError('MESSAGE_BODY_ERROR', `${path}: not a private key`, { cause })
  }
}
