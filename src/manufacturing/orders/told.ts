/**
 * What the line's own systems are told of a device made to an order, the same by CSV, by the API and
 * by webhook: serial number, GUID, where its voucher is, and the text of its label.
 */
import type { Detail } from '../../audit/entry.ts'
import { labelText } from './label.ts'
import type { OrderDeviceRow, OrderRow } from './store.ts'

type Labelled = Pick<OrderDeviceRow, 'guid' | 'serial' | 'model' | 'number' | 'label'>

/** A log entry holds 8,192 characters in all, and names of devices are anybody's words. */
const MOST_LABEL_CHARACTERS = 2_000

/** As it was printed, where somebody else has printed it. */
export function labelOf(order: Pick<OrderRow, 'name' | 'label'>, device: Labelled): string {
  const { guid, serial, model, number, label } = device
  const facts = { guid, serial, model, order: order.name, number: String(number) }
  return label ?? labelText(order.label, facts)
}

export function voucherPath(guid: string): string {
  return `/api/v1/vouchers/${guid}`
}

/** For the log, which webhooks send on. */
export function deviceDetail(
  order: Pick<OrderRow, 'id' | 'name' | 'label'>,
  device: Labelled & Pick<OrderDeviceRow, 'station'>,
): Detail {
  const { number, station } = device
  const label = shortened(labelOf(order, device))
  return { order: order.id, order_name: order.name, number, station, label }
}

/** By its length in JSON, where a character may take six. */
function shortened(text: string): string {
  let short = text.slice(0, MOST_LABEL_CHARACTERS)
  while (JSON.stringify(short).length > MOST_LABEL_CHARACTERS + 2) {
    short = short.slice(0, Math.floor(short.length / 2))
  }
  return short
}
