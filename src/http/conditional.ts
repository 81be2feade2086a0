/**
 * ETags: what a GET shows is named by a hash of it, so that a change can be made on the condition
 * that nobody else has made one since. RFC 9110, section 13.
 */
import { hash } from 'node:crypto'
import { Problem } from './problem.ts'

export function etagOf(document: string): string {
  return `"${hash('sha256', document, 'base64url').slice(0, 22)}"`
}

/** For If-None-Match: by weak comparison. */
export function isNamed(header: string | undefined, etag: string): boolean {
  return namesIn(header).some((name) => name === '*' || name.replace(/^W\//, '') === etag)
}

/** For If-Match: by strong comparison. Throws precondition-failed. */
export async function checkIfMatch(
  header: string | undefined,
  current: (() => Promise<unknown>) | undefined,
): Promise<void> {
  if (header === undefined) return
  if (!current) throw new Problem('precondition-failed', 'nothing here has an ETag')
  const etag = etagOf(JSON.stringify(await current()))
  if (namesIn(header).some((name) => name === '*' || name === etag)) return
  throw new Problem('precondition-failed', 'it has changed meanwhile: look at it again', {
    headers: { etag },
  })
}

function namesIn(header: string | undefined): readonly string[] {
  return header?.match(/\*|(?:W\/)?"[^"]*"/g) ?? []
}
