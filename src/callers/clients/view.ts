/** Machine clients as the management API takes and shows them. */
import { z } from '@hono/zod-openapi'
import { toBase64 } from '../../../protocol/bytes.ts'
import { certificatesToPem } from '../../../protocol/x509/pem.ts'
import { Problem } from '../../http/problem.ts'
import { ASSERTION_SIGNATURES, KeysRefused, isFor, readKeySet } from '../public-keys.ts'
import { publishedAt } from '../remote-documents.ts'
import {
  type CertificateName,
  type Credential,
  certificatesIn,
  thumbprintOf,
} from './credential.ts'
import type { NewCredential } from './service.ts'
import type { ClientRow } from './store.ts'

const MOST_PEM_CHARS = 64 * 1024
const Pem = z.string().max(MOST_PEM_CHARS)
const KeySet = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(50) })

const PrivateKeyJwt = z.strictObject({
  method: z.literal('private_key_jwt'),
  jwks: KeySet.optional().openapi({ description: 'its public keys' }),
  jwks_uri: z.string().max(2048).optional().openapi({ description: 'or where it publishes them' }),
})

const SelfSigned = z.strictObject({
  method: z.literal('self_signed_tls_client_auth'),
  certificates: Pem.openapi({ description: 'the certificates it shows, in PEM' }),
})

const Certified = z.strictObject({
  method: z.literal('tls_client_auth'),
  ca: Pem.openapi({ description: 'who issues its certificates, in PEM' }),
  subject_dn: z.string().min(1).max(1024).optional(),
  san_dns: z.string().min(1).max(253).optional(),
  san_uri: z.string().min(1).max(2048).optional(),
})

const Secret = z.strictObject({ method: z.literal('client_secret_basic') })

const NewAuth = z.discriminatedUnion('method', [PrivateKeyJwt, SelfSigned, Certified, Secret])

const Name = z.string().min(1).max(100)
const Scopes = z.array(z.string().min(1)).min(1).max(200)

export const NewClientBody = z.strictObject({ name: Name, scopes: Scopes, auth: NewAuth })

export const ClientChangeBody = z.strictObject({
  name: Name.optional(),
  scopes: Scopes.optional(),
  disabled: z.boolean().optional(),
})

export const RotationBody = z.strictObject({ auth: NewAuth.optional() })

const Auth = z.object({
  method: z.enum([
    'private_key_jwt',
    'self_signed_tls_client_auth',
    'tls_client_auth',
    'client_secret_basic',
  ]),
  jwks: KeySet.optional(),
  jwks_uri: z.string().optional(),
  thumbprints: z.array(z.string()).optional().openapi({ description: 'SHA-256, base64url' }),
  ca: z.string().optional(),
  subject_dn: z.string().optional(),
  san_dns: z.string().optional(),
  san_uri: z.string().optional(),
})

export const ClientView = z
  .object({
    client_id: z.string(),
    name: z.string(),
    scopes: z.array(z.string()),
    auth: Auth,
    created_at: z.string(),
    rotated_at: z.string().nullable(),
    disabled_at: z.string().nullable(),
  })
  .openapi('Client')

export const MadeClientView = ClientView.extend({
  client_secret: z.string().optional().openapi({ description: 'shown this once' }),
})

/** Throws a Problem that says what is wrong with it. */
export function credentialFrom(auth: z.infer<typeof NewAuth>): NewCredential {
  switch (auth.method) {
    case 'private_key_jwt':
      return keysFrom(auth)
    case 'self_signed_tls_client_auth': {
      const certificates = certificatesIn(auth.certificates, 'auth.certificates')
      return { method: auth.method, thumbprints: certificates.map(thumbprintOf) }
    }
    case 'tls_client_auth': {
      const ca = certificatesIn(auth.ca, 'auth.ca').map(toBase64)
      return { method: auth.method, ca, name: nameFrom(auth) }
    }
    case 'client_secret_basic':
      return auth
  }
}

function keysFrom({ method, jwks, jwks_uri }: z.infer<typeof PrivateKeyJwt>): NewCredential {
  if ((jwks === undefined) === (jwks_uri === undefined)) {
    throw new Problem('invalid-request', 'auth: give either jwks or jwks_uri')
  }
  if (jwks_uri !== undefined) {
    if (publishedAt(jwks_uri)) return { method, jwksUri: jwks_uri }
    throw new Problem('invalid-request', 'auth.jwks_uri: not an https URL')
  }
  try {
    const keys = readKeySet(jwks)
    if (keys.every((key) => isFor(key, ASSERTION_SIGNATURES))) return { method, jwks: keys }
    throw new KeysRefused(`a key that is for none of ${ASSERTION_SIGNATURES.join(', ')}`)
  } catch (cause) {
    if (!(cause instanceof KeysRefused)) throw cause
    throw new Problem('invalid-request', `auth.jwks: ${cause.message}`, { cause })
  }
}

const NAMES = ['subject_dn', 'san_dns', 'san_uri'] as const

function nameFrom(auth: z.infer<typeof Certified>): CertificateName {
  const [name, ...others] = NAMES.flatMap((type) => {
    const value = auth[type]
    return value === undefined ? [] : [{ type, value }]
  })
  if (name && others.length === 0) return name
  throw new Problem('invalid-request', `auth: give one of ${NAMES.join(', ')}`)
}

export function clientView(row: ClientRow): z.infer<typeof ClientView> {
  const { id, name, scopes, created_at, rotated_at, disabled_at } = row
  return {
    client_id: id,
    name,
    scopes: scopes.split(' '),
    auth: authView({ method: row.method, ...(JSON.parse(row.credential) as object) } as Credential),
    created_at,
    rotated_at,
    disabled_at,
  }
}

function authView(credential: Credential): z.infer<typeof Auth> {
  const { method } = credential
  if ('jwks' in credential)
    return { method, jwks: { keys: credential.jwks.map((key) => ({ ...key })) } }
  if ('jwksUri' in credential) return { method, jwks_uri: credential.jwksUri }
  if ('thumbprints' in credential) return { method, thumbprints: [...credential.thumbprints] }
  if (!('ca' in credential)) return { method }
  const { ca, name } = credential
  const pem = certificatesToPem(ca.map((der) => Buffer.from(der, 'base64')))
  return { method, ca: pem, [name.type]: name.value }
}
