/** Every change of the schema, in order. One that has been released is never edited. */
import type { Migration } from 'kysely'
import { init } from './0001-init.ts'
import { planChange } from './0002-plan-change.ts'
import { parties } from './0003-parties.ts'
import { audit } from './0004-audit.ts'
import { callers } from './0010-callers.ts'

export const migrations: Readonly<Record<string, Migration>> = {
  '0001-init': init,
  '0002-plan-change': planChange,
  '0003-parties': parties,
  '0004-audit': audit,
  '0010-callers': callers,
}
