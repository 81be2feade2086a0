/** The serial number of a device whose voucher came without: it tells its own in TO2. */
import type { Executor } from '../database/connection.ts'
import { findBySerial, findLastEvent, insertNote, recordSerial } from './store.ts'

/** As long as DI takes one to be. */
const MOST_BYTES = 512

/** In the transaction that ends TO2; two devices of a party never get one number by this. */
export async function learnSerial(
  tx: Executor,
  { id, party, at }: { readonly id: string; readonly party: string; readonly at: string },
): Promise<void> {
  const said = await findLastEvent.first(tx, { id, type: 'devmod' })
  const serial = serialIn(said?.detail ?? null)
  if (serial === undefined) return
  const holder = await findBySerial.first(tx, { party, serial })
  if (!holder) {
    await recordSerial.run(tx, { id, serial })
    return
  }
  const detail = JSON.stringify({ serial, holder: holder.id })
  await insertNote.run(tx, { device_id: id, at, type: 'serial-not-recorded', detail })
}

/** Undefined for what cannot be one: nobody but the device vouches for it. */
function serialIn(detail: string | null): string | undefined {
  if (detail === null) return undefined
  // Written here, of a devmod: see onboarding/record.ts.
  const { serial } = JSON.parse(detail) as { readonly serial?: string | null }
  const text = serial?.trim() ?? ''
  const isOne = text !== '' && !/\p{C}/u.test(text) && Buffer.byteLength(text) <= MOST_BYTES
  return isOne ? text : undefined
}
