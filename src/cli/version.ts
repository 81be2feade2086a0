/** Which firstlight this is. */
import { readFileSync } from 'node:fs'

export function version(): string {
  // The same from src/ and from dist/src/, where the program is run.
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const text = readFileSync(new URL(path, import.meta.url), 'utf8')
      return (JSON.parse(text) as { version: string }).version
    } catch {
      continue // One of the two is not there.
    }
  }
  return 'unknown'
}
