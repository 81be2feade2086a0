/** Vouchers as the management API shows them. */
import { hash } from 'node:crypto'
import { z } from '@hono/zod-openapi'
import { type PublicKey } from '../../protocol/crypto/public-key.ts'
import { describeRendezvousInfo } from '../../protocol/types/rendezvous-text.ts'
import type { Voucher } from '../../protocol/voucher/voucher.ts'
import { parseCertificate } from '../../protocol/x509/certificate.ts'
import type { VoucherRow } from './store.ts'

export const VoucherState = z.enum([
  'held',
  'handed-over',
  'replaced',
  'used',
  'superseded',
  'left',
  'deleted',
])
export const VoucherOrigin = z.enum(['made', 'imported', 'onboarded'])

/** 32 hexadecimal digits; dashes are accepted. */
export const GuidText = z
  .string()
  .transform((text) => text.replaceAll('-', '').toLowerCase())
  .pipe(z.string().regex(/^[0-9a-f]{32}$/, 'a GUID has 32 hexadecimal digits'))
  .openapi({ type: 'string', pattern: '^(-*[0-9a-fA-F]){32}-*$' })

export const ImportResults = z.object({
  items: z.array(
    z.object({
      guid: z.string().nullable(),
      ok: z.boolean(),
      check: z.string().nullable().openapi({ description: 'the check it failed' }),
      detail: z.string().nullable(),
      name: z.string().optional().openapi({ description: 'the file of the archive it was in' }),
    }),
  ),
})

export const VoucherSummary = z
  .object({
    guid: z.string(),
    device_id: z.string(),
    device_info: z.string(),
    state: VoucherState,
    origin: VoucherOrigin,
    entries: z.number().int(),
    entry_style: z
      .enum(['fdo-1.1', 'tagged'])
      .openapi({ description: 'how they are signed; tagged: as the draft of go-fdo has it' }),
    owner_key: z.string().openapi({ description: 'SHA-256 of the SubjectPublicKeyInfo' }),
    superseded_by: z.string().nullable(),
    exported_at: z.string().nullable(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .openapi('VoucherSummary')

const Key = z.object({
  type: z.enum(['p256', 'p384', 'rsa2048', 'rsa3072']),
  encoding: z.enum(['x509', 'x5chain', 'cose']),
  fingerprint: z.string(),
})

export const VoucherView = VoucherSummary.extend({
  version: z.number().int(),
  manufacturer_key: Key,
  /** To whom it was sold, in order. */
  sold_to: z.array(Key),
  device_certificate: z
    .object({ fingerprint: z.string(), not_before: z.string(), not_after: z.string() })
    .nullable(),
  rendezvous_info: z.array(z.record(z.string(), z.unknown())),
  bytes: z.number().int(),
}).openapi('Voucher')

export function summaryOf(row: Omit<VoucherRow, 'party' | 'cbor' | 'revision' | 'deleted_from'>) {
  return {
    guid: row.guid,
    device_id: row.device_id,
    device_info: row.device_info,
    state: row.state,
    origin: row.origin,
    entries: row.entries,
    entry_style: row.entry_style,
    owner_key: row.owner_key,
    superseded_by: row.superseded_by,
    exported_at: row.exported_at,
    created_at: row.created_at,
    updated_at: row.updated_at,
  }
}

export function viewOf(row: VoucherRow, voucher: Voucher) {
  const { publicKey, rvInfo } = voucher.header.value
  const leaf = voucher.deviceCertChain?.[0]
  return {
    ...summaryOf(row),
    version: voucher.protVer,
    manufacturer_key: keyView(publicKey.value),
    sold_to: voucher.entries.map(({ payload }) => keyView(payload.publicKey.value)),
    device_certificate: leaf ? certificateView(leaf) : null,
    rendezvous_info: describeRendezvousInfo(rvInfo.value).map((one) => ({ ...one })),
    bytes: voucher.bytes.length,
  }
}

const ENCODINGS = { 1: 'x509', 2: 'x5chain', 3: 'cose' } as const

function keyView({ key, encoding }: PublicKey) {
  return { type: key.kind, encoding: ENCODINGS[encoding], fingerprint: sha256(key.spki) }
}

function certificateView(der: Uint8Array) {
  const { notBefore, notAfter } = parseCertificate(der)
  return {
    fingerprint: sha256(der),
    not_before: notBefore.toISOString(),
    not_after: notAfter.toISOString(),
  }
}

function sha256(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}
