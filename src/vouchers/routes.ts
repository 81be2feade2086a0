/** /api/v1/vouchers: the Ownership Vouchers of this service. */
import { z } from '@hono/zod-openapi'
import type { Bytes } from '../../protocol/bytes.ts'
import { splitSequence } from '../../protocol/cbor/scan.ts'
import { FdoError } from '../../protocol/errors.ts'
import { isPem, voucherToPem, vouchersFromPem } from '../../protocol/voucher/pem.ts'
import { ownerKeyOf } from '../../protocol/voucher/voucher.ts'
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
import type { ImportResult, VoucherDesk } from './desk.ts'
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
const IMPORTED = [CBOR, PEM, 'application/x-fdo-voucher', 'application/octet-stream', 'text/plain']
/** Some 5,000 vouchers as PEM. */
const MOST_IMPORTED_BYTES = 16 << 20

const GuidParam = z.object({ guid: GuidText })

export function voucherRoutes(desk: VoucherDesk): readonly Route[] {
  return [
    importRoute(desk),
    listRoute(desk),
    showRoute(desk),
    sellRoute(desk),
    route({
      method: 'delete',
      path: '/vouchers/{guid}',
      summary: 'Remove a voucher: its device cannot onboard by it any more',
      permission: 'voucher:delete',
      params: GuidParam,
      handle: ({ params: { guid }, principal }) => desk.delete(guid, principal),
    }),
  ]
}

function importRoute(desk: VoucherDesk): Route {
  return route({
    method: 'post',
    path: '/vouchers',
    summary: 'Take in vouchers sold to this service: PEM or CBOR, one or many',
    permission: 'voucher:import',
    bytes: { types: IMPORTED, atMost: MOST_IMPORTED_BYTES },
    result: ImportResults,
    async handle({ bytes, principal }) {
      const items = await desk.import(vouchersOf(bytes), principal)
      if (items.some(({ ok }) => ok)) return { items }
      throw new Problem('check-failed', noneTakenIn(items), { members: { items } })
    },
  })
}

/** A file of PEM blocks, or vouchers one after the other; what is neither is one bad voucher. */
function vouchersOf(body: Bytes): readonly Bytes[] {
  try {
    if (isPem(body)) return vouchersFromPem(new TextDecoder('latin1').decode(body))
    const parts = splitSequence(body)
    return parts.every(isArray) ? parts : [body]
  } catch (error) {
    if (error instanceof FdoError) return [body]
    throw error
  }
}

function isArray([first = 0]: Bytes): boolean {
  return first >> 5 === 4
}

function noneTakenIn(items: readonly ImportResult[]): string {
  const [first] = items
  const more = items.length > 1 ? ` (and ${items.length - 1} more)` : ''
  return first ? `${first.check}: ${first.detail}${more}` : 'there is no voucher in it'
}

function listRoute(desk: VoucherDesk): Route {
  return route({
    method: 'get',
    path: '/vouchers',
    summary: 'List the vouchers, those sold and replaced too',
    permission: 'voucher:read',
    query: PageQuery.extend({
      state: VoucherState.optional(),
      origin: VoucherOrigin.optional(),
      device_id: z.string().max(64).optional(),
      device_info: z.string().max(1024).optional(),
    }),
    result: pageOf(VoucherSummary),
    async handle({ query: { limit, cursor, device_id, device_info, ...rest }, principal }) {
      const { party } = principal
      const after = positionOf(cursor)
      const filter = { ...rest, party, deviceId: device_id, deviceInfo: device_info, after }
      const rows = await desk.list({ ...filter, limit: limit + 1 })
      return pageFrom(rows, limit, ({ guid }) => guid, summaryOf)
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

function sellRoute(desk: VoucherDesk): Route {
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
    }),
    result: VoucherView,
    async handle({ params: { guid }, body: { to }, principal: { party } }) {
      const row = await desk.find(party, guid)
      const buyer = to === 'self' ? ownerKeyOf(desk.parse(row)).value : buyerFromPem(to)
      const sold = await desk.sell(party, guid, buyer)
      return viewOf(sold, desk.parse(sold))
    },
  })
}
