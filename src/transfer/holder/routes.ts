/** What was sold to a key, listed and fetched by who has proven it. */
import { type Context, Hono } from 'hono'
import type { AppEnv } from '../../http/authenticate.ts'
import { bearerOf, bytesAnswer, json, notLetIn, readBody } from '../answer.ts'
import type { KeyAuth } from '../key-auth/service.ts'
import type { SoldVoucher } from '../ports.ts'
import { PULL_ROOT, type PublicDoor } from '../public-door.ts'
import { hashOf } from '../secret.ts'
import type { Buyer, Holder, ListWish } from './service.ts'

const MOST_RECEIPT_BYTES = 4_096
const USUAL_LIMIT = 50
const LARGEST_LIMIT = 500

type Call = Context<AppEnv>

export function holderDoor(holder: Holder, keyAuth: KeyAuth, door: PublicDoor): Hono<AppEnv> {
  const root = `/transfer/:party${PULL_ROOT}`

  const forBuyer = (c: Call, handle: (buyer: Buyer, request: Request) => Promise<Response>) =>
    door.answerFor(c.req.param('party') ?? '', c.req.raw, c.env?.incoming, async (request) => {
      const party = c.req.param('party') ?? ''
      const token = bearerOf(request.headers.get('authorization'))
      const ownerKey = token && (await keyAuth.findProven({ party, name: 'pull' }, token))
      if (!ownerKey) {
        door.countGuess(c.env?.incoming)
        throw notLetIn()
      }
      return handle({ party, ownerKey }, request)
    })

  return new Hono<AppEnv>()
    .get(root, (c) =>
      forBuyer(c, async (buyer) => {
        const { vouchers, continuation, total } = await holder.list(buyer, wishOf(c))
        const fields = c.req.query('fields')?.split(',')
        return json(200, {
          vouchers: vouchers.map((one) => viewOf(one, fields)),
          continuation,
          has_more: continuation !== '',
          total_count: total,
          // Ours alone: tells another firstlight that it may sign for what it fetches.
          receipts: true,
        })
      }),
    )
    .get(`${root}/:id/download`, (c) =>
      forBuyer(c, async (buyer) => {
        const id = c.req.param('id')
        const voucher = await holder.fetch(buyer, id)
        return bytesAnswer('application/x-fdo-voucher', voucher, {
          'content-disposition': `attachment; filename="${id}.fdoov"`,
          'x-fdo-checksum': `sha256:${hashOf(voucher)}`,
        })
      }),
    )
    .post(`${root}/:id/receipt`, (c) =>
      forBuyer(c, async (buyer, request) => {
        const receipt = await readBody(request, MOST_RECEIPT_BYTES)
        await holder.keepReceipt(buyer, c.req.param('id'), receipt)
        return json(200, { status: 'kept' })
      }),
    )
}

/** Values that cannot be read are passed over, as go-fdo does. */
function wishOf(c: Call): ListWish {
  const { limit = '', since = '', until = '', status = '', continuation = '' } = c.req.query()
  const asked = /^[1-9]\d{0,8}$/.test(limit) ? Number(limit) : USUAL_LIMIT
  return {
    limit: Math.min(asked, LARGEST_LIMIT),
    since: dateOf(since),
    until: dateOf(until),
    isFetched: { pending: false, downloaded: true }[status],
    continuation,
  }
}

function dateOf(text: string): Date | undefined {
  const date = /^\d{4}-\d\d-\d\dT/.test(text) ? new Date(text) : undefined
  return date && !Number.isNaN(date.getTime()) ? date : undefined
}

function viewOf(voucher: SoldVoucher, fields: readonly string[] | undefined) {
  const optional = {
    serial_number: voucher.serial,
    model_number: voucher.model,
    device_info: voucher.deviceInfo,
    created_at: voucher.soldAt,
  }
  const shown = Object.entries(optional).filter(
    ([name, value]) => value !== null && (!fields || fields.includes(name)),
  )
  return { voucher_id: voucher.guid, ...Object.fromEntries(shown) }
}
