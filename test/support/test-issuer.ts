/** A certificate authority in memory, for modules that hand out certificates. */
import { type Bytes, utf8 } from '../../protocol/bytes.ts'
import { signerFromPkcs8 } from '../../protocol/crypto/signer.ts'
import { type CredentialIssuer, CsrRefusal } from '../../protocol/service-info/module.ts'
import { derSignature } from '../../protocol/x509/build-csr.ts'
import {
  type TokenIssuer,
  TokenRefusal,
  type WantedToken,
} from '../../protocol/service-info/token-issuer.ts'
import { parseCsr } from '../../protocol/x509/csr.ts'
import {
  bitString,
  contextTag,
  der,
  integer,
  oid,
  sequence,
  setOf,
  time,
  utf8String,
} from '../../protocol/x509/der.ts'
import { hostKey } from './memory-host.ts'

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))
export const NOT_BEFORE = new Date('2026-11-22T12:00:00Z')
const NOT_AFTER = new Date('2026-12-22T12:00:00Z')

const caKey = hostKey()
const caSigner = signerFromPkcs8(caKey.pkcs8)

function name(commonName: string): Bytes {
  return sequence(setOf(sequence(oid('2.5.4.3'), utf8String(commonName))))
}

export async function certificateFor(spki: Bytes, subject = 'a device'): Promise<Bytes> {
  const tbs = sequence(
    der(contextTag(0), integer(2)),
    integer(Uint8Array.of(1, ...crypto.getRandomValues(new Uint8Array(8)))),
    ECDSA_SHA256,
    name('a CA'),
    sequence(time(NOT_BEFORE), time(NOT_AFTER)),
    name(subject),
    spki,
  )
  return sequence(tbs, ECDSA_SHA256, bitString(derSignature(await caSigner.sign(tbs))))
}

export const CA_CERTIFICATE = await certificateFor(caKey.spki, 'a CA')

/** Counts what it hands out; refuses every request with `refusal` if that is set. */
export class TestIssuer implements CredentialIssuer {
  readonly issued: { readonly certificate: Bytes; readonly renewal?: boolean }[] = []
  refusal: CsrRefusal | undefined
  bundle: readonly Bytes[] = [CA_CERTIFICATE]
  csrAttributes?: () => Promise<Bytes>

  async sign(csr: Bytes, renewal: boolean) {
    if (this.refusal) throw this.refusal
    const certificate = await certificateFor((await parseCsr(csr)).spki)
    this.issued.push({ certificate, renewal })
    return { certificate, intermediates: [] }
  }

  async generate() {
    const { pkcs8, spki } = hostKey()
    const certificate = await certificateFor(spki)
    this.issued.push({ certificate })
    return { pkcs8, certificate, intermediates: [] }
  }

  async caCertificates() {
    return this.bundle
  }
}

/** Makes tokens that say how many have been made; refuses with `refusal` if that is set. */
export class TestTokens implements TokenIssuer {
  readonly issued: (WantedToken & { readonly certificate: Bytes })[] = []
  refusal: string | undefined

  async issue(certificate: Bytes, wanted: WantedToken) {
    if (this.refusal !== undefined) throw new TokenRefusal(this.refusal)
    this.issued.push({ certificate, ...wanted })
    const document = utf8(`{"access_token":"token ${this.issued.length}"}`)
    return { document, scopes: wanted.scopes ?? ['all'] }
  }
}
