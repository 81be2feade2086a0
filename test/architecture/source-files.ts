/** The source files of the repository, and what each of them imports. */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')

export interface SourceFile {
  /** From the root: `src/http/app.ts`. */
  readonly path: string
  readonly text: string
  /** Files of ours, from the root. */
  readonly imports: readonly string[]
  /** Those of them that are there when the program runs, not only for its types. */
  readonly loads: readonly string[]
  /** Packages, and parts of Node. */
  readonly packages: readonly string[]
}

export function sourceFiles(...folders: readonly string[]): readonly SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.tsx?$/.test(name) && !name.endsWith('.d.ts'))
      .map((name) => join(folder, name))
      .map((path) => sourceFile(path, readFileSync(join(ROOT, path), 'utf8'))),
  )
}

export function sourceFile(path: string, text: string): SourceFile {
  const statements = Array.from(
    withoutComments(text).matchAll(/\b(import type[^']*?from|from|import)\s*\(?\s*'([^']+)'/g),
    ([, how = '', name = '']) => ({ name, isType: how.startsWith('import type') }),
  )
  const fromRoot = (name: string) => relative('.', normalize(join(dirname(path), name)))
  const ours = statements.filter(({ name }) => name.startsWith('.'))
  const packages = statements.filter(({ name }) => !name.startsWith('.'))
  return {
    path,
    text,
    imports: ours.map(({ name }) => fromRoot(name)),
    loads: ours.filter(({ isType }) => !isType).map(({ name }) => fromRoot(name)),
    packages: packages.map(({ name }) => name),
  }
}

/** What the program does, without what is said about it. */
export function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')
}
