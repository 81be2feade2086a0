/** The certificate authorities named in files of the configuration. */
import { readFileSync } from 'node:fs'
import type { Bytes } from '../../protocol/bytes.ts'
import { FdoError } from '../../protocol/errors.ts'
import { parseCertificate } from '../../protocol/x509/certificate.ts'
import { fromPem } from '../../protocol/x509/pem.ts'
import { type Config, ConfigError } from '../config.ts'

/** The certificates of a PEM file, DER. Throws a ConfigError that names the variable. */
export function readAuthorities(variable: string, file: string): readonly Bytes[] {
  const certificates = fromPem(readFileSync(file, 'utf8'))
  if (!certificates) throw new ConfigError(`${variable}: ${file} holds no certificates in PEM`)
  for (const [i, der] of certificates.entries()) {
    try {
      parseCertificate(der)
    } catch (cause) {
      if (!(cause instanceof FdoError)) throw cause
      throw new ConfigError(`${variable}: block ${i + 1} of ${file} is no certificate`, { cause })
    }
  }
  return certificates
}

/** Whose devices rendezvous and owner accept; undefined for anybody's. See FIRSTLIGHT_TRUST. */
export function deviceAuthorities(
  { trust }: Config,
  ownAuthorities: readonly Bytes[],
): readonly Bytes[] | undefined {
  if (trust === 'any') return undefined
  if (trust === undefined) return ownAuthorities
  return [...ownAuthorities, ...readAuthorities('FIRSTLIGHT_TRUST', trust)]
}

/**
 * What a listener certificate made elsewhere is checked against: what its file has above it, which
 * should end in a root; a self-signed one stands for itself.
 */
export function listenerAuthorities({ serverCertificateFile: file }: Config): readonly Bytes[] {
  if (file === undefined) return []
  const certificates = readAuthorities('FIRSTLIGHT_TLS_CERT', file)
  return certificates.length > 1 ? certificates.slice(1) : certificates
}
