/** What a back-up says about itself at its end, when all else is known. */
import { type Hash, createHash } from 'node:crypto'
import { type Bytes, fromUtf8 } from '../../../protocol/bytes.ts'
import type { TableShape } from '../../database/rows.ts'
import { damaged } from './pieces.ts'

export interface Manifest {
  /** When the database was as it is in here. */
  readonly made_at: string
  /** Of the program that made it. */
  readonly version: string
  /** What kind of database it is from, and the migrations that has had. */
  readonly driver: string
  readonly migrations: readonly string[]
  /** Those of which there are rows, in the order they can be filled in; none beside a file of SQLite's. */
  readonly tables?: readonly TableShape[]
  readonly files: Readonly<Record<string, FileSum>>
}

export interface FileSum {
  readonly bytes: number
  /** Hex. */
  readonly sha256: string
}

/** Counts and hashes what passes through. */
export class Sum {
  readonly #hash: Hash = createHash('sha256')
  #bytes = 0

  async *of(content: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
    for await (const bytes of content) {
      this.#hash.update(bytes)
      this.#bytes += bytes.length
      yield bytes
    }
  }

  /** Once, at the end. */
  total(): FileSum {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }
}

/** What was written by whoever holds the key is ours: its shape is looked at, no more. */
export function parseManifest(bytes: Bytes): Manifest {
  let value: Partial<Manifest>
  try {
    value = JSON.parse(fromUtf8(bytes)) as Partial<Manifest>
  } catch {
    throw damaged('its manifest cannot be read')
  }
  const { made_at, version, driver, migrations, files } = value
  const texts = [made_at, version, driver]
  if (!texts.every((one) => typeof one === 'string') || !Array.isArray(migrations) || !files) {
    throw damaged('its manifest cannot be read')
  }
  return value as Manifest
}
