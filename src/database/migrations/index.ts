/** Every change of the schema, and whether programs bear it. One that has been released is never edited. */
import { type SchemaChange, contract, expand } from './change.ts'
import { init } from './0001-init.ts'
import { planChange } from './0002-plan-change.ts'
import { parties } from './0003-parties.ts'
import { audit } from './0004-audit.ts'
import { transfer } from './0005-transfer.ts'
import { rendezvous } from './0006-rendezvous.ts'
import { border } from './0007-border.ts'
import { webhooks } from './0008-webhooks.ts'
import { orders } from './0009-orders.ts'
import { callers } from './0010-callers.ts'
import { voucherDeletion } from './0011-voucher-deletion.ts'
import { keyRotation } from './0012-key-rotation.ts'
import { orderShares } from './0014-order-shares.ts'
import { retirement } from './0013-retirement.ts'
import { hardening } from './0015-hardening.ts'
import { plans } from './0018-plans.ts'
import { auditPending } from './0017-audit-pending.ts'
import { leases } from './0021-leases.ts'
import { places } from './0022-places.ts'
import { sharedFiles } from './0023-shared-files.ts'
import { lists } from './0024-lists.ts'
import { schemaFloor } from './0025-schema-floor.ts'

export const migrations: Readonly<Record<string, SchemaChange>> = {
  '0001-init': expand(init),
  '0002-plan-change': contract(planChange, '0002-plan-change'),
  '0003-parties': contract(parties, '0003-parties'),
  '0004-audit': expand(audit),
  '0005-transfer': expand(transfer),
  '0006-rendezvous': contract(rendezvous, '0006-rendezvous'),
  '0007-border': expand(border),
  '0008-webhooks': expand(webhooks),
  '0009-orders': expand(orders),
  '0010-callers': expand(callers),
  '0011-voucher-deletion': expand(voucherDeletion),
  '0012-key-rotation': contract(keyRotation, '0012-key-rotation'),
  '0014-order-shares': expand(orderShares),
  '0013-retirement': expand(retirement),
  '0015-hardening': contract(hardening, '0015-hardening'),
  '0018-plans': expand(plans),
  '0017-audit-pending': expand(auditPending),
  '0021-leases': expand(leases),
  '0022-places': expand(places),
  '0023-shared-files': expand(sharedFiles),
  '0024-lists': expand(lists),
  '0025-schema-floor': expand(schemaFloor),
}
