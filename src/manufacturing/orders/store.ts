/** Production orders, the devices made to them, and the certificates those came with. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type {
  OrderCertificateTable,
  OrderDeviceTable,
  ProductionOrderTable,
} from '../../database/tables/manufacturing.ts'

export type OrderRow = ProductionOrderTable

/** Gives 0 where its name is taken, or its share is here. */
export const insertOrder = statement((db, order: OrderRow) =>
  db
    .insertInto('production_order')
    .values({
      id: order.id,
      party: order.party,
      name: order.name,
      model: order.model,
      quantity: order.quantity,
      made: order.made,
      reserved: order.reserved,
      share: order.share,
      source: order.source,
      rendezvous_info: order.rendezvous_info,
      first_owner: order.first_owner,
      stations: order.stations,
      unique_serials: order.unique_serials,
      label: order.label,
      device_cas: order.device_cas,
      state: order.state,
      trial: order.trial,
      created_at: order.created_at,
      expires_at: order.expires_at,
      opened_at: order.opened_at,
      closed_at: order.closed_at,
    })
    .onConflict((conflict) => conflict.doNothing()),
)

type OrderId = Pick<OrderRow, 'party' | 'id'>

export const findOrder = statement((db, p: OrderId) =>
  db.selectFrom('production_order').selectAll().where('id', '=', p.id).where('party', '=', p.party),
)

export interface OrderPage {
  readonly party: string
  readonly limit: number
  readonly after?: string | undefined
  readonly state?: OrderRow['state'] | undefined
}

export function listOrders(db: Executor, page: OrderPage): Promise<OrderRow[]> {
  const { party, limit, after, state } = page
  let query = db
    .selectFrom('production_order')
    .selectAll()
    .where('party', '=', party)
    .orderBy('id')
    .limit(limit)
  if (after !== undefined) query = query.where('id', '>', after)
  if (state !== undefined) query = query.where('state', '=', state)
  return query.execute()
}

/** What a device may be made to: of its model, or of any. */
export const listOpen = statement((db, p: { party: string; model: string; at: string }) =>
  db
    .selectFrom('production_order')
    .selectAll()
    .where('party', '=', p.party)
    .where('state', '=', 'open')
    .where('expires_at', '>', p.at)
    .where((eb) => eb.or([eb('model', '=', p.model), eb('model', 'is', null)]))
    .orderBy('id'),
)

/** Only ahead: a draft is opened, and what is not closed is closed. */
export const openOrder = statement((db, p: OrderId & { trial: string; at: string }) =>
  db
    .updateTable('production_order')
    .set({ state: 'open', trial: p.trial, opened_at: p.at })
    .where('id', '=', p.id)
    .where('party', '=', p.party)
    .where('state', '=', 'draft'),
)

export const storeTrial = statement((db, p: OrderId & { trial: string }) =>
  db
    .updateTable('production_order')
    .set({ trial: p.trial })
    .where('id', '=', p.id)
    .where('party', '=', p.party)
    .where('state', '=', 'draft'),
)

export const closeOrder = statement((db, p: OrderId & { at: string }) =>
  db
    .updateTable('production_order')
    .set({ state: 'closed', closed_at: p.at })
    .where('id', '=', p.id)
    .where('party', '=', p.party)
    .where('state', '!=', 'closed'),
)

export const deleteDraft = statement((db, p: OrderId) =>
  db
    .deleteFrom('production_order')
    .where('id', '=', p.id)
    .where('party', '=', p.party)
    .where('state', '=', 'draft'),
)

/** One more, as long as the order stands; gives nothing where it does not, or is full. */
export const countDevice = statement((db, p: OrderId & { at: string }) =>
  db
    .updateTable('production_order')
    .set(({ eb }) => ({ made: eb('made', '+', 1) }))
    .where('id', '=', p.id)
    .where('party', '=', p.party)
    .where('state', '=', 'open')
    .where('expires_at', '>', p.at)
    .where(({ eb, ref }) => eb(eb('made', '+', ref('reserved')), '<', ref('quantity')))
    .returning('made'),
)

export type OrderDeviceRow = OrderDeviceTable

/** To which of its party's orders a device was made. */
export const listOrdersOf = statement((db, p: { deviceId: string }) =>
  db.selectFrom('order_device').select(['order_id', 'number']).where('device_id', '=', p.deviceId),
)

export const insertDevice = statement((db, device: OrderDeviceRow) =>
  db.insertInto('order_device').values({
    order_id: device.order_id,
    device_id: device.device_id,
    number: device.number,
    guid: device.guid,
    serial: device.serial,
    model: device.model,
    made_at: device.made_at,
    station: device.station,
    label: device.label,
    share: device.share,
  }),
)

/** One that was made before: gives its number. */
export const updateDevice = statement((db, device: Omit<OrderDeviceRow, 'number'>) =>
  db
    .updateTable('order_device')
    .set({
      guid: device.guid,
      serial: device.serial,
      model: device.model,
      made_at: device.made_at,
      station: device.station,
      label: device.label,
      share: device.share,
    })
    .where('order_id', '=', device.order_id)
    .where('device_id', '=', device.device_id)
    .returning('number'),
)

interface DevicePage {
  readonly party: string
  readonly orderId: string
  /** The last number of the page before. */
  readonly after: number
  readonly limit: number
}

/** With what became of the voucher each was made with. */
export function listDevices(db: Executor, { party, orderId, after, limit }: DevicePage) {
  return db
    .selectFrom('order_device')
    .leftJoin('voucher', (join) =>
      join
        .onRef('voucher.guid', '=', 'order_device.guid')
        .onRef('voucher.device_id', '=', 'order_device.device_id')
        .on('voucher.party', '=', party)
        .on('voucher.state', '!=', 'deleted'),
    )
    .select([
      'order_device.number',
      'order_device.device_id',
      'order_device.guid',
      'order_device.serial',
      'order_device.model',
      'order_device.made_at',
      'order_device.station',
      'order_device.label',
      'order_device.share',
      'voucher.state as voucher_state',
    ])
    .where('order_device.order_id', '=', orderId)
    .where('order_device.number', '>', after)
    .orderBy('order_device.number')
    .limit(limit)
    .execute()
}

export type MadeDeviceRow = Awaited<ReturnType<typeof listDevices>>[number]

/** The chain told of last counts. */
export const storeCertificate = statement((db, p: OrderCertificateTable) =>
  db
    .insertInto('order_certificate')
    .values({
      order_id: p.order_id,
      spki_hash: p.spki_hash,
      chain: p.chain,
      created_at: p.created_at,
    })
    .onConflict((conflict) =>
      conflict.columns(['order_id', 'spki_hash']).doUpdateSet({
        chain: p.chain,
        created_at: p.created_at,
      }),
    ),
)

export const findCertificate = statement((db, p: { orderId: string; spkiHash: string }) =>
  db
    .selectFrom('order_certificate')
    .select('chain')
    .where('order_id', '=', p.orderId)
    .where('spki_hash', '=', p.spkiHash),
)

export const deleteCertificates = statement((db, p: { orderId: string }) =>
  db.deleteFrom('order_certificate').where('order_id', '=', p.orderId),
)
