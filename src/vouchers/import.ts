/** Vouchers taken in from a stream of them: each result as soon as it is known, in their order. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { BundleFlaw, BundleItem, BundledVoucher } from '../bundles/item.ts'
import { Problem } from '../http/problem.ts'
import type { ImportResult } from './desk.ts'

export interface NamedResult extends Omit<ImportResult, 'check'> {
  readonly check: string | null
  /** The file of the archive it was in. */
  readonly name?: string
}

/** Takes these in, in their order; gives a result for each. */
export type TakeIn = (vouchers: readonly Bytes[]) => Promise<readonly ImportResult[]>

/** As many as share a commit. */
const MOST_AT_ONCE = 64

/**
 * Where the stream breaks off, what has come of it is taken in all the same, and then it throws.
 * What has a result is there to stay; a repeat finds it held already.
 */
export async function* importAll(
  items: AsyncIterable<BundleItem>,
  takeIn: TakeIn,
): AsyncGenerator<NamedResult> {
  let waiting: BundledVoucher[] = []
  async function* settle() {
    const some = waiting
    waiting = []
    yield* await resultsOf(some, takeIn)
  }
  try {
    for await (const item of items) {
      if ('bytes' in item) waiting.push(item)
      if ('flaw' in item || waiting.length >= MOST_AT_ONCE) yield* settle()
      if ('flaw' in item) yield refused(item)
    }
  } catch (error) {
    yield* settle()
    throw error
  }
  yield* settle()
}

async function resultsOf(
  vouchers: readonly BundledVoucher[],
  takeIn: TakeIn,
): Promise<readonly NamedResult[]> {
  if (vouchers.length === 0) return []
  const results = await takeIn(vouchers.map(({ bytes }) => bytes))
  return results.map((result, i) => ({ ...result, ...named(vouchers[i]?.name) }))
}

function refused({ name, flaw, detail }: BundleFlaw): NamedResult {
  return { guid: null, ok: false, check: flaw, detail, ...named(name) }
}

function named(name: string | null | undefined): { readonly name?: string } {
  return name === null || name === undefined ? {} : { name }
}

/** A line of JSON for each; the last one says so where the body was not read to its end. */
export async function* asLines(results: AsyncIterable<NamedResult>): AsyncGenerator<string> {
  try {
    for await (const result of results) yield `${JSON.stringify(result)}\n`
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const { code: check, message: detail } = error
    yield `${JSON.stringify({ guid: null, ok: false, check, detail })}\n`
  }
}

/** All of them; throws check-failed, with every result, where none was taken in. */
export async function asList(results: AsyncIterable<NamedResult>): Promise<NamedResult[]> {
  const items: NamedResult[] = []
  for await (const result of results) items.push(result)
  if (items.some(({ ok }) => ok)) return items
  throw new Problem('check-failed', noneTakenIn(items), { members: { items } })
}

function noneTakenIn(items: readonly NamedResult[]): string {
  const [first] = items
  const more = items.length > 1 ? ` (and ${items.length - 1} more)` : ''
  return first ? `${first.check}: ${first.detail}${more}` : 'there is no voucher in it'
}
