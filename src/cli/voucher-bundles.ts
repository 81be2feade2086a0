/** Files of one or many vouchers, to the service and from it, as streams. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, renameSync, rmSync, statSync } from 'node:fs'
import { PassThrough, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Given, type Query, pathOf } from './api.ts'
import type { ApiClient } from './api-client.ts'
import { CliFailure, failureOf } from './failure.ts'
import type { Progress } from './output.ts'

/** `name` is the file of the archive it was in. */
export type ImportResult = Given<'POST /vouchers'>['items'][number]

export const KIB = 1024

/** How long files are, together; what cannot be looked at shows when it is read. */
export function sizeOf(files: readonly string[]): number {
  return files.map((file) => fileSize(file) ?? 0).reduce((a, b) => a + b, 0)
}

/** Undefined for a pipe and the like. */
function fileSize(file: string): number | undefined {
  const stats = statSync(file, { throwIfNoEntry: false })
  return stats?.isFile() ? stats.size : undefined
}

/** A file that is not taken is a failure of its own: the others are still given. */
export async function* importFile(
  api: ApiClient,
  file: string,
  bar: Progress,
): AsyncGenerator<ImportResult> {
  let count = 0
  try {
    for await (const result of resultsOf(api, file, bar)) {
      count++
      yield result
    }
    if (count === 0) yield notTaken('malformed', 'there is no voucher in it')
  } catch (error) {
    const { kind, code, message } = failureOf(error)
    if (code !== 'file' && kind !== 'refused') throw error
    yield notTaken(code, message)
  }
}

async function* resultsOf(
  api: ApiClient,
  file: string,
  bar: Progress,
): AsyncGenerator<ImportResult> {
  const body = new PassThrough()
  let readError: unknown
  const read = pipeline(createReadStream(file), counting(bar), body).catch((error: unknown) => {
    readError = error
  })
  const call = { method: 'POST', contentType: 'application/octet-stream' }
  try {
    yield* api.lines<ImportResult>(pathOf('POST /vouchers'), {
      ...call,
      body,
      length: fileSize(file),
    })
  } catch (error) {
    body.destroy()
    await read
    throw failureOf(readError).code === 'file' ? readError : error
  } finally {
    // It has been answered, read to its end or not.
    body.destroy()
  }
}

function counting(bar: Progress): Transform {
  return new Transform({
    transform(part: Buffer, _, done) {
      bar.advance(part.length / KIB)
      done(null, part)
    },
  })
}

function notTaken(check: string, detail: string): ImportResult {
  return { guid: null, ok: false, check, detail }
}

export interface Exported {
  readonly out: string
  readonly format: string
  readonly bytes: number
  readonly sha256: string
}

/** Writes the vouchers that fit the filter to a file, which is there once it is whole. */
export async function exportMany(
  api: ApiClient,
  filter: Query<'GET /vouchers/export'>,
  out: string,
): Promise<Exported> {
  const format = out.endsWith('.pem') ? 'pem' : 'tar.gz'
  if (format === 'tar.gz' && !/\.(tar\.gz|tgz)$/.test(out)) {
    throw new CliFailure('usage', `--out: ${out} is neither .tar.gz nor .pem`)
  }
  const path = pathOf('GET /vouchers/export', {}, { ...filter, format })
  const answer = await api.open(path, { accept: '*/*' })
  const draft = `${out}.part`
  const sha256 = createHash('sha256')
  let bytes = 0
  answer.on('data', (part: Buffer) => {
    bytes += part.length
    sha256.update(part)
  })
  try {
    await pipeline(answer, createWriteStream(draft))
    renameSync(draft, out)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  return { out, format, bytes, sha256: sha256.digest('hex') }
}
