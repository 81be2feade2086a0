/** The audit log as JSON lines: an entry a line, and each countersignature after what it is about. */
import { type Bytes, fromBase64, toBase64, toHex } from '../../protocol/bytes.ts'
import { type AuditEntry, type Detail, HASH_BYTES, type Subject } from './entry.ts'

/** An entry as the API and the export show it; hashes in hexadecimal. */
export interface EntryView {
  readonly party: string
  readonly seq: number
  readonly at: string
  readonly type: string
  readonly by: string
  readonly subject: Subject
  readonly detail: Detail | null
  readonly previous: string
  readonly hash: string
}

/** What a line holds. */
export type Line =
  | { readonly entry: AuditEntry; readonly countersignature?: never }
  | { readonly countersignature: Bytes; readonly entry?: never }

/** A line that is neither an entry nor a countersignature. */
export class MalformedLine extends Error {
  override readonly name = 'MalformedLine'
}

export function entryView(entry: AuditEntry): EntryView {
  const { party, seq, at, type, by, subject, detail, previous, hash } = entry
  const hashes = { previous: toHex(previous), hash: toHex(hash) }
  return { party, seq, at, type, by, subject, detail, ...hashes }
}

export function entryLine(entry: AuditEntry): string {
  return `${JSON.stringify(entryView(entry))}\n`
}

/** A COSE_Sign1 in base64: what it says is read from what was signed, not from beside it. */
export function countersignatureLine(signed: Bytes): string {
  return `${JSON.stringify({ countersignature: toBase64(signed) })}\n`
}

/**
 * Strict: a member that no hash covers could say anything. Throws MalformedLine.
 */
export function parseLine(text: string): Line {
  const value = parsed(text)
  if (!isObject(value)) throw new MalformedLine('not a JSON object')
  if ('countersignature' in value) return { countersignature: signedFrom(value) }
  return { entry: entryFrom(value) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new MalformedLine('not JSON', { cause })
  }
}

function signedFrom(value: Members): Bytes {
  const { countersignature, ...others } = value
  const signed = typeof countersignature === 'string' ? fromBase64(countersignature) : undefined
  if (!signed || Object.keys(others).length > 0) {
    throw new MalformedLine('not a countersignature in base64')
  }
  return signed
}

function entryFrom(value: Members): AuditEntry {
  const { seq, subject, detail, previous, hash, party, at, type, by, ...others } = value
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw new MalformedLine(`an unknown member ${unknown}`)
  if (!Number.isSafeInteger(seq) || Number(seq) < 1) throw new MalformedLine('seq: not a number')
  if (!isSubject(subject)) throw new MalformedLine('subject: not an object of guid, device and id')
  if (detail !== null && !isObject(detail)) throw new MalformedLine('detail: not an object or null')
  return {
    party: textOf(party, 'party'),
    seq: Number(seq),
    at: textOf(at, 'at'),
    type: textOf(type, 'type'),
    by: textOf(by, 'by'),
    subject,
    detail: detail as Detail | null,
    previous: hashFrom(previous, 'previous'),
    hash: hashFrom(hash, 'hash'),
  }
}

type Members = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const SUBJECT = new Set(['guid', 'device', 'id'])

function isSubject(value: unknown): value is Subject {
  if (!isObject(value)) return false
  return Object.keys(value).every((name) => SUBJECT.has(name) && typeof value[name] === 'string')
}

function textOf(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new MalformedLine(`${name}: not text`)
  return value
}

function hashFrom(value: unknown, name: string): Bytes {
  const text = textOf(value, name)
  const hash = Buffer.from(text, 'hex')
  if (hash.length !== HASH_BYTES || hash.toString('hex') !== text) {
    throw new MalformedLine(`${name}: not a SHA-256 hash in hexadecimal`)
  }
  return hash
}
