/** Orders, and the devices made to them, as the management API shows them. */
import { z } from '@hono/zod-openapi'
import type { Cell } from './csv.ts'
import type { MadeDeviceRow, OrderRow } from './store.ts'
import { labelOf, voucherPath } from './told.ts'

const Rule = z.strictObject({
  model: z.string().min(1).max(512).optional(),
  to: z
    .string()
    .min(1)
    .max(65_536)
    .openapi({ description: 'self, none, a party of this installation, or public keys in PEM' }),
})

/** A word for all, or rules of which the first that fits the model counts. */
export const FirstOwner = z.union([z.string().min(1).max(65_536), z.array(Rule).min(1).max(100)])

const Trial = z
  .object({
    tried_at: z.string(),
    ok: z.boolean(),
    addresses: z.array(
      z.object({
        url: z.string(),
        as: z.enum(['owner', 'device', 'device-at-owner']),
        ok: z.boolean(),
        detail: z.string(),
      }),
    ),
    passed_over: z.array(z.string()),
  })
  .openapi('RendezvousTrial')

export const OrderState = z.enum(['draft', 'open', 'closed'])

/** Of an order that came signed, as a share of another service's. */
const OrderSource = z
  .object({
    share: z.string(),
    order: z.string(),
    issuer: z.string().openapi({ description: 'SHA-256 of the key that signed it' }),
    party: z.string(),
    url: z.string().openapi({ description: 'where its vouchers go' }),
  })
  .openapi('OrderSource')

export const OrderView = z
  .object({
    id: z.string(),
    name: z.string(),
    state: OrderState,
    is_expired: z.boolean(),
    model: z.string().nullable(),
    quantity: z.number().int(),
    made: z.number().int(),
    reserved: z.number().int().openapi({
      description: 'those that lines may still make, or have made and not yet handed over',
    }),
    source: OrderSource.nullable().openapi({ description: 'null: placed here' }),
    first_owner: z.array(Rule),
    rendezvous_info: z.array(z.record(z.string(), z.unknown())),
    trial: Trial.nullable().openapi({ description: 'how the rendezvous info was tried last' }),
    stations: z.array(z.string()).openapi({ description: 'empty: at all of them' }),
    unique_serials: z.boolean(),
    label: z.string(),
    device_cas: z.string().nullable(),
    created_at: z.string(),
    expires_at: z.string(),
    opened_at: z.string().nullable(),
    closed_at: z.string().nullable(),
  })
  .openapi('Order')

export function orderView(row: OrderRow, now: Date): z.infer<typeof OrderView> {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    is_expired: new Date(row.expires_at) <= now,
    model: row.model,
    quantity: row.quantity,
    made: row.made,
    reserved: row.reserved,
    source: row.source === null ? null : OrderSource.parse(JSON.parse(row.source)),
    first_owner: z.array(Rule).parse(JSON.parse(row.first_owner)),
    rendezvous_info: OrderView.shape.rendezvous_info.parse(JSON.parse(row.rendezvous_info)),
    trial: row.trial === null ? null : Trial.parse(JSON.parse(row.trial)),
    stations: row.stations.split(' ').filter((id) => id !== ''),
    unique_serials: row.unique_serials === 1,
    label: row.label,
    device_cas: row.device_cas === '' ? null : row.device_cas,
    created_at: row.created_at,
    expires_at: row.expires_at,
    opened_at: row.opened_at,
    closed_at: row.closed_at,
  }
}

/** What the line's own systems get to know of a device. */
export const OrderDevice = z
  .object({
    number: z.number().int().openapi({ description: 'from 1, as they were made' }),
    serial: z.string(),
    guid: z.string(),
    model: z.string(),
    device_id: z.string(),
    made_at: z.string(),
    voucher_state: z.string().nullable().openapi({ description: 'null: there is none any more' }),
    voucher: z.string().nullable().openapi({ description: 'where it is' }),
    station: z.string().nullable().openapi({ description: 'what it is called' }),
    share: z.string().nullable().openapi({ description: 'of the line it was made at' }),
    label: z.string(),
  })
  .openapi('OrderDevice')

export function orderDeviceView(order: OrderRow, row: MadeDeviceRow): z.infer<typeof OrderDevice> {
  const { number, serial, guid, model, device_id, made_at, voucher_state, station, share } = row
  return {
    ...{ number, serial, guid, model, device_id, made_at, voucher_state, station, share },
    voucher: voucher_state === null ? null : voucherPath(guid),
    label: labelOf(order, row),
  }
}

/** The same as lines of a table. */
export const DEVICE_COLUMNS = [
  ...['number', 'serial', 'guid', 'model', 'device_id', 'made_at', 'voucher_state', 'voucher'],
  ...['label', 'station', 'share'],
] as const

export function deviceCells(order: OrderRow, row: MadeDeviceRow): readonly Cell[] {
  const view: Readonly<Record<string, Cell>> = orderDeviceView(order, row)
  return DEVICE_COLUMNS.map((column) => view[column] ?? null)
}
