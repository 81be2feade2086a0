/** Everything that is kept sealed under the master key: where it is, and what it was sealed for. */
import { SEALING_KEY } from '../../fdo/sealing-keys.ts'
import { contextOf as requestContext } from '../../http/idempotency/service.ts'
import { contextOf as privateKeyContext } from '../../secrets/key-store.ts'
import { contextOf as partnerContext } from '../../transfer/partners/service.ts'
import { contextOf as webhookContext } from '../../webhooks/service.ts'
import type { Tables } from '../../database/tables.ts'

/** A column with sealed bytes, or null. */
export interface SealedColumn {
  readonly table: keyof Tables
  readonly column: string
  /** The columns that name a row. */
  readonly key: readonly string[]
  /** What a row's bytes were sealed for, by its key. */
  context(key: Readonly<Record<string, string>>): string
}

/** The check of the key itself comes on top: see secrets/master-key.ts. */
export const SEALED: readonly SealedColumn[] = [
  {
    table: 'private_key',
    column: 'wrapped',
    key: ['id'],
    context: ({ id = '' }) => privateKeyContext(id),
  },
  { table: 'sealing_key', column: 'wrapped', key: ['id'], context: () => SEALING_KEY },
  {
    table: 'webhook',
    column: 'secret',
    key: ['id'],
    context: ({ id = '' }) => webhookContext(id),
  },
  {
    table: 'partner',
    column: 'token',
    key: ['id'],
    context: ({ id = '' }) => partnerContext(id),
  },
  {
    table: 'idempotency',
    column: 'answer',
    key: ['principal', 'key'],
    context: ({ principal = '', key = '' }) => requestContext({ principal, key }),
  },
]
