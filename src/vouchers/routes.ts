/** /api/v1/vouchers: the Ownership Vouchers of this service. */
import { hash } from 'node:crypto'
import { z } from '@hono/zod-openapi'
import type { PublicKey } from '../../protocol/crypto/public-key.ts'
import { voucherToPem } from '../../protocol/voucher/pem.ts'
import { ownerKeyOf } from '../../protocol/voucher/voucher.ts'
import { readBundle } from '../bundles/read.ts'
import { pemBundle, tarGzBundle } from '../bundles/write.ts'
import { Problem } from '../http/problem.ts'
import {
  File,
  type Input,
  PageQuery,
  type Route,
  pageFrom,
  pageOf,
  positionOf,
  route,
} from '../http/route.ts'
import { buyerFromPem } from './buyer.ts'
import type { VoucherDesk } from './desk.ts'
import { exportAll } from './export.ts'
import { asLines, asList, importAll } from './import.ts'
import { type VoucherPosition, isByArrival } from './store.ts'
import {
  GuidText,
  ImportResults,
  VoucherOrigin,
  VoucherState,
  VoucherSummary,
  VoucherView,
  summaryOf,
  viewOf,
} from './view.ts'

const CBOR = 'application/cbor'
const PEM = 'application/x-pem-file'
const GZIP = 'application/gzip'
const LINES = 'application/x-ndjson'
const IMPORTED = [
  CBOR,
  PEM,
  GZIP,
  'application/x-gzip',
  'application/x-tar',
  'application/x-fdo-voucher',
  'application/octet-stream',
  'text/plain',
]
/** Some 300,000 vouchers as PEM. */
const MOST_IMPORTED_BYTES = 1 << 30

const Time = z.iso.datetime({ offset: true }).transform((text) => new Date(text).toISOString())
const GuidParam = z.object({ guid: GuidText })

/** Whether it is known that somebody holds the private half of a key, by its fingerprint. */
export type IsKnownHolder = (party: string, fingerprint: string) => Promise<boolean>

export function voucherRoutes(desk: VoucherDesk, isKnownHolder: IsKnownHolder): readonly Route[] {
  return [
    importRoute(desk),
    listRoute(desk),
    exportRoute(desk),
    showRoute(desk),
    sellRoute(desk, isKnownHolder),
    route({
      method: 'delete',
      path: '/vouchers/{guid}',
      summary: 'Remove a voucher: its device cannot onboard by it any more',
      permission: 'voucher:delete',
      params: GuidParam,
      handle: ({ params: { guid }, principal }) => desk.delete(guid, principal),
    }),
    route({
      method: 'post',
      path: '/vouchers/{guid}/restore',
      summary: 'Take back the removal of a voucher',
      permission: 'voucher:delete',
      params: GuidParam,
      result: VoucherView,
      async handle({ params: { guid }, principal }) {
        const row = await desk.restore(guid, principal)
        return viewOf(row, desk.parse(row))
      },
    }),
  ]
}

function importRoute(desk: VoucherDesk): Route {
  return route({
    method: 'post',
    path: '/vouchers',
    summary: 'Take in vouchers: PEM, CBOR, tar or tar.gz, one or many; a result for each',
    permission: 'voucher:import',
    stream: { types: IMPORTED, atMost: MOST_IMPORTED_BYTES },
    result: ImportResults,
    file: [LINES],
    async handle({ stream, accept, principal }) {
      const results = importAll(readBundle(stream), (some) => desk.import(some, principal))
      if (accept.includes(LINES)) return new File(LINES, asLines(results))
      return { items: await asList(results) }
    },
  })
}

const Filter = z.object({
  state: VoucherState.optional(),
  origin: VoucherOrigin.optional(),
  device_id: z.string().max(64).optional(),
  device_info: z.string().max(512).optional(),
  serial: z.string().max(512).optional(),
  since: Time.optional(),
  until: Time.optional(),
})

function listRoute(desk: VoucherDesk): Route {
  return route({
    method: 'get',
    path: '/vouchers',
    summary: 'List the vouchers, those sold and replaced too',
    permission: 'voucher:read',
    query: PageQuery.extend(Filter.shape),
    result: pageOf(VoucherSummary),
    async handle({ query: { limit, cursor, device_id, device_info, ...rest }, principal }) {
      const { party } = principal
      const after = voucherPosition(positionOf(cursor), isByArrival(rest))
      const filter = { ...rest, party, deviceId: device_id, deviceInfo: device_info, after }
      const rows = await desk.list({ ...filter, limit: limit + 1 })
      const position = ({ guid, created_at }: VoucherPosition) =>
        isByArrival(rest) ? `${created_at} ${guid}` : guid
      return pageFrom(rows, limit, position, summaryOf)
    },
  })
}

function voucherPosition(
  position: string | undefined,
  hasArrival: boolean,
): VoucherPosition | undefined {
  if (position === undefined) return undefined
  if (!hasArrival) return { guid: position, created_at: '' }
  const [, created_at, guid] = /^(\S+) ([0-9a-f]{32})$/.exec(position) ?? []
  if (created_at === undefined || guid === undefined)
    throw new Problem('invalid-request', 'cursor: of a list in another order')
  return { guid, created_at }
}

function exportRoute(desk: VoucherDesk): Route {
  return route({
    method: 'get',
    path: '/vouchers/export',
    summary: 'Many vouchers in one file: a tar.gz of PEM files, or one PEM file of all',
    permission: 'voucher:export',
    query: Filter.extend({ format: z.enum(['tar.gz', 'pem']).default('tar.gz') }),
    file: [GZIP, PEM],
    handle({ query: { format, device_id, device_info, ...rest }, principal: { party } }) {
      const filter = { ...rest, party, deviceId: device_id, deviceInfo: device_info }
      const vouchers = exportAll(desk, filter)
      if (format === 'pem') return new File(PEM, pemBundle(vouchers), 'vouchers.pem')
      return new File(GZIP, tarGzBundle(vouchers), 'vouchers.tar.gz')
    },
  })
}

function showRoute(desk: VoucherDesk): Route {
  return route({
    method: 'get',
    path: '/vouchers/{guid}',
    summary: 'A voucher: what it says (JSON), or the voucher itself (PEM or CBOR)',
    permission: 'voucher:read',
    params: GuidParam,
    query: z.object({ format: z.enum(['json', 'pem', 'cbor']).optional() }),
    result: VoucherView,
    file: [PEM, CBOR],
    async handle(input) {
      const { guid } = input.params
      const { party } = input.principal
      const format = input.query.format ?? formatFor(input.accept)
      if (format === 'json') {
        const row = await desk.find(party, guid)
        return viewOf(row, desk.parse(row))
      }
      checkExport(input)
      const { cbor } = await desk.export(party, guid)
      if (format === 'cbor') return new File(CBOR, cbor, `${guid}.fdoov`)
      return new File(PEM, voucherToPem(cbor), `${guid}.pem`)
    },
  })
}

function formatFor(accept: string): 'json' | 'pem' | 'cbor' {
  if (/pem/i.test(accept)) return 'pem'
  return /cbor|x-fdo-voucher|octet-stream/i.test(accept) ? 'cbor' : 'json'
}

function checkExport({ principal }: Pick<Input<unknown, unknown, unknown>, 'principal'>): void {
  if (principal.permissions.has('voucher:export')) return
  throw new Problem('not-permitted', 'this token lacks the permission voucher:export')
}

function sellRoute(desk: VoucherDesk, isKnownHolder: IsKnownHolder): Route {
  return route({
    method: 'post',
    path: '/vouchers/{guid}/sell',
    summary: 'Extend a voucher to its next owner, or to its present one once more',
    permission: 'voucher:sell',
    params: GuidParam,
    body: z.strictObject({
      to: z
        .string()
        .max(65_536)
        .openapi({ description: 'PEM, a public key or certificates; or "self"' }),
      unproven: z
        .boolean()
        .optional()
        .openapi({ description: 'sell to a key although nobody has proven to hold it' }),
    }),
    result: VoucherView,
    async handle({ params: { guid }, body: { to, unproven = false }, principal }) {
      const { party } = principal
      const row = await desk.find(party, guid)
      const buyer = to === 'self' ? ownerKeyOf(desk.parse(row)).value : buyerFromPem(to)
      if (to !== 'self' && !unproven) await checkHolder(isKnownHolder, party, buyer)
      const sold = await desk.sell(principal, { guid, to: buyer })
      return viewOf(sold, desk.parse(sold))
    },
  })
}

/** A sale cannot be taken back: to a key that nobody holds, the device would be lost. */
async function checkHolder(
  isKnownHolder: IsKnownHolder,
  party: string,
  { key }: PublicKey,
): Promise<void> {
  if (await isKnownHolder(party, hash('sha256', key.spki, 'hex'))) return
  throw new Problem(
    'conflict',
    'nobody has proven to hold this key: add it to a partner, and have it proven (firstlight ' +
      'partner challenge, or transfer pull at theirs), or say `unproven`: true (--unproven)',
  )
}
