/**
 * What a webhook is sent, as the Standard Webhooks specification has it: the receiver checks that it
 * is from us, that it is recent, and by its id whether it has come before.
 */
import { createHmac } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import type { AuditEntry } from '../audit/entry.ts'
import { entryView } from '../audit/lines.ts'

export interface Message {
  readonly id: string
  readonly body: string
}

/** However often an entry is sent to a webhook, it has the same id, and says the same. */
export function messageOf(webhook: string, entry: AuditEntry): Message {
  const { type, at: timestamp } = entry
  return {
    id: `${webhook}_${entry.seq}`,
    body: JSON.stringify({ type, timestamp, data: entryView(entry) }),
  }
}

export function testMessage(webhook: string, nonce: string, now: Date): Message {
  const timestamp = now.toISOString()
  return {
    id: `${webhook}_test_${nonce}`,
    body: JSON.stringify({ type: 'webhook-test', timestamp, data: { webhook } }),
  }
}

export function headersOf({ id, body }: Message, secret: Bytes, now: Date): Record<string, string> {
  const timestamp = Math.floor(now.getTime() / 1000)
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`)
  return {
    'content-type': 'application/json',
    'user-agent': 'firstlight',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${signature.digest('base64')}`,
  }
}

/** A secret as its receiver's library takes it. */
export function secretText(secret: Bytes): string {
  return `whsec_${Buffer.from(secret).toString('base64')}`
}

/** The entry about a webhook that begins. */
export const ADDED = 'webhook-added'

/**
 * Whether one of its types, or beginnings before a `*`, is the entry's. It hears of what came after it
 * was added, not of that itself.
 */
export function isWanted(
  { id, types }: { readonly id: string; readonly types: string },
  { type, subject }: Pick<AuditEntry, 'type' | 'subject'>,
): boolean {
  if (type === ADDED && subject.id === id) return false
  return types
    .split(' ')
    .some((one) => (one.endsWith('*') ? type.startsWith(one.slice(0, -1)) : type === one))
}
