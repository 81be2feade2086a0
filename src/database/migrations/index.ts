/** Every change of the schema, in order. One that has been released is never edited. */
import type { Migration } from 'kysely'
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
import { sharedFiles } from './0023-shared-files.ts'

export const migrations: Readonly<Record<string, Migration>> = {
  '0001-init': init,
  '0002-plan-change': planChange,
  '0003-parties': parties,
  '0004-audit': audit,
  '0005-transfer': transfer,
  '0006-rendezvous': rendezvous,
  '0007-border': border,
  '0008-webhooks': webhooks,
  '0009-orders': orders,
  '0010-callers': callers,
  '0011-voucher-deletion': voucherDeletion,
  '0012-key-rotation': keyRotation,
  '0014-order-shares': orderShares,
  '0013-retirement': retirement,
  '0015-hardening': hardening,
  '0018-plans': plans,
  '0017-audit-pending': auditPending,
  '0021-leases': leases,
  '0023-shared-files': sharedFiles,
}
