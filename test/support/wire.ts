/** Reads recorded runs and known-answer vectors. */
import { existsSync, readFileSync } from 'node:fs'

export { fromHex, toHex } from '../../protocol/bytes.ts'

/** A JSON file of `fixtures/`. */
export function fixture<T>(path: string): T {
  return JSON.parse(fixtureText(path)) as T
}

/** A text file of `fixtures/`. */
export function fixtureText(path: string): string {
  return readFileSync(new URL(`../../fixtures/${path}`, import.meta.url), 'utf8')
}

/** A file beside the repository that not every checkout has; undefined where it is absent. */
export function sharedFile(path: string): Buffer | undefined {
  const url = new URL(`../../../shared/${path}`, import.meta.url)
  return existsSync(url) ? readFileSync(url) : undefined
}
