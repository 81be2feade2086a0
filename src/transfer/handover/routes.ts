/** POST /api/v1/transfers: vouchers handed over to a partner, or to another party. */
import { z } from '@hono/zod-openapi'
import { Problem } from '../../http/problem.ts'
import { type Route, route } from '../../http/route.ts'
import { GuidText } from '../../vouchers/view.ts'
import type { Handover } from './service.ts'

const MOST_VOUCHERS = 1_000

const Receiver = {
  partner: z.string().min(1).max(100).optional().openapi({ description: 'by its id or its name' }),
  party: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .openapi({ description: 'another party of this installation, by its name' }),
}

const Results = z.object({
  items: z.array(
    z.object({
      guid: z.string(),
      ok: z.boolean(),
      check: z.string().nullable().openapi({ description: 'why it was refused' }),
      detail: z.string().nullable(),
      transfer: z.string().nullable().openapi({ description: 'the push, where there is one' }),
    }),
  ),
})

export function handoverRoutes(handover: Handover): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/transfers',
      summary: 'Extend vouchers to their next owner, and push them; a result for each',
      permission: 'voucher:sell',
      body: z.strictObject({
        ...Receiver,
        vouchers: z.array(GuidText).min(1).max(MOST_VOUCHERS),
        key: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .optional()
          .openapi({ description: 'the fingerprint of the key, where a partner has several' }),
        unproven: z
          .boolean()
          .optional()
          .openapi({ description: 'to a key, too, that the partner has not proven to hold' }),
      }),
      result: Results,
      async handle({ body: { partner, party, vouchers, ...wish }, principal }) {
        const receiver = await handover.findReceiver(principal.party, calledBy({ partner, party }))
        return { items: await handover.hand(principal, receiver, vouchers, wish) }
      },
    }),
  ]
}

/** Throws invalid-request for both or neither. */
export function calledBy({
  partner,
  party,
}: {
  readonly partner?: string | undefined
  readonly party?: string | undefined
}): { readonly partner: string } | { readonly party: string } {
  if (partner !== undefined && party === undefined) return { partner }
  if (party !== undefined && partner === undefined) return { party }
  throw new Problem('invalid-request', 'say to whom: either partner or party')
}
