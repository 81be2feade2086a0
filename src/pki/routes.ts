/** What the authority has issued, for its administrators; and its own certificates, for anyone. */
import { z } from '@hono/zod-openapi'
import { Hono } from 'hono'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import type { Database } from '../database/open.ts'
import type { AppEnv } from '../http/authenticate.ts'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../http/route.ts'
import type { Pki } from './service.ts'
import { listCertificates } from './store.ts'

const STATUS = ['pending', 'active', 'superseded', 'revoked'] as const

const Certificate = z
  .object({
    serial: z.string(),
    profile: z.string(),
    device_id: z.string().nullable(),
    status: z.enum(STATUS),
    not_before: z.string(),
    not_after: z.string(),
    created_at: z.string(),
    revoked_at: z.string().nullable(),
    revocation_reason: z
      .string()
      .nullable()
      .openapi({ description: 'handed-over, retired or made-anew' }),
  })
  .openapi('Certificate')

export function certificateRoutes({ db }: Pick<Database, 'db'>): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/certificates',
      summary: 'List the certificates issued here, of one device or status if asked for',
      permission: 'certificate:read',
      query: PageQuery.extend({
        device_id: z.string().optional(),
        status: z.enum(STATUS).optional(),
      }),
      result: pageOf(Certificate),
      async handle({ query: { limit, cursor, device_id: deviceId, status }, principal }) {
        const { party } = principal
        const filter = { party, deviceId, status, after: positionOf(cursor) }
        const rows = await listCertificates(db, { ...filter, limit: limit + 1 })
        return pageFrom(rows, limit, ({ serial }) => serial, certificateView)
      },
    }),
  ]
}

type ListedCertificate = Awaited<ReturnType<typeof listCertificates>>[number]

function certificateView({ status_at, ...row }: ListedCertificate) {
  return { ...row, revoked_at: row.status === 'revoked' ? status_at : null }
}

const CA_PATH = '/.well-known/firstlight'

const FOR_FIVE_MINUTES = { 'cache-control': 'public, max-age=300' }
const FOR_A_MINUTE = { 'cache-control': 'public, max-age=60' }

/** For those who are to trust our servers, the devices made here, or the credentials they got. */
export function authorityRoutes(pki: Pki): Hono<AppEnv> {
  const headers = { 'content-type': 'application/x-pem-file', ...FOR_FIVE_MINUTES }
  return new Hono<AppEnv>()
    .get(`${CA_PATH}/ca.pem`, (c) => c.body(certificatesToPem(pki.trustBundle()), 200, headers))
    .get(`${CA_PATH}/device-ca.pem`, (c) =>
      c.body(certificatesToPem(pki.deviceAnchors()), 200, headers),
    )
    .get(`${CA_PATH}/issuing-ca.pem`, (c) =>
      c.body(certificatesToPem(pki.issuingAuthority()), 200, headers),
    )
    .get(`${CA_PATH}/issuing-ca.crl`, async (c) =>
      c.body(Buffer.from(await pki.revocationList()), 200, {
        'content-type': 'application/pkix-crl',
        ...FOR_A_MINUTE,
      }),
    )
}
