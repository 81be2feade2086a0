/** The built program as a later version of itself: a copy of it, with a migration that it has not got. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MAIN } from './programs.ts'

/** Below node_modules, so that packages are found from there. */
const CACHE = 'node_modules/.cache/firstlight'
const INDEX = 'dist/src/database/migrations/index.js'

export interface NewerProgram {
  /** To start it with: see ServeProcess. */
  readonly command: readonly string[]
  remove(): void
}

/** `name` as 9001-more; `declaration`, as expand(…) or contract(…), is JavaScript around `{ up }`. */
export function newerProgram(name: string, declaration: string): NewerProgram {
  mkdirSync(CACHE, { recursive: true })
  const folder = mkdtempSync(join(CACHE, 'newer-'))
  // Those of others may be added at this moment: what is needed is in these two.
  for (const part of ['dist/src', 'dist/protocol']) {
    cpSync(part, join(folder, part), { recursive: true })
  }
  cpSync('package.json', join(folder, 'package.json'))
  const text = readFileSync(INDEX, 'utf8')
  const begin = 'export const migrations = {'
  if (!text.includes(begin)) throw new Error(`${INDEX} is not what it was`)
  const added = text.replace(begin, `${begin}\n  '${name}': ${declaration},`)
  writeFileSync(join(folder, INDEX), added)
  return {
    command: [process.execPath, join(folder, MAIN), 'serve'],
    remove: () => rmSync(folder, { recursive: true }),
  }
}
