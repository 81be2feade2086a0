/** A device's own key and certificate as files, for devices that cannot ask for a certificate. */
import { utf8 } from '../bytes.ts'
import { type Infer, text, tuple } from '../cbor/schema.ts'
import type { OwnerEffect, OwnerModuleContext } from '../service-info/module.ts'
import { certificatesToPem, toPem } from '../x509/pem.ts'
import { type OutgoingFile, outgoingBytes } from './content.ts'

/** Under which names they go to the device. */
export const IdentityNames = tuple({ key: text, certificate: text, ca: text })
export type IdentityNames = Infer<typeof IdentityNames>

/** Where a device keeps its identity; the same whichever way it came. */
export const IDENTITY: IdentityNames = {
  key: 'identity/key.pem',
  certificate: 'identity/cert.pem',
  ca: 'identity/ca.pem',
}

/** Makes the key and its certificate. They are in the sealed session until they are delivered. */
export async function identityFiles(
  names: IdentityNames,
  module: string,
  { credentials }: OwnerModuleContext,
): Promise<{ readonly files: readonly OutgoingFile[]; readonly effects: readonly OwnerEffect[] }> {
  const { pkcs8, certificate, intermediates } = await credentials.generate()
  const bundle = await credentials.caCertificates()
  const files = [
    outgoingBytes(names.key, utf8(toPem('PRIVATE KEY', pkcs8))),
    outgoingBytes(names.certificate, utf8(certificatesToPem([certificate, ...intermediates]))),
    outgoingBytes(names.ca, utf8(certificatesToPem(bundle))),
  ]
  return { files, effects: [{ type: 'certificate-issued', certificate, module }] }
}
