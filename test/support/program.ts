/** The sources as a program that plain Node can run, for tests that kill it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import ts from 'typescript'

const ROOT = join(import.meta.dirname, '../..')
/** Below node_modules, so that packages are found from there. */
const CACHE = join(ROOT, 'node_modules/.cache/firstlight')
const FOLDERS = ['protocol', 'src', 'test/support']

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  rewriteRelativeImportExtensions: true,
  verbatimModuleSyntax: true,
}

export interface Program {
  readonly process: ChildProcess
  /** The next line it prints, as JSON. */
  next(): Promise<Record<string, unknown>>
  /** The signal or code it ends with. */
  readonly ended: Promise<NodeJS.Signals | number>
}

/** Runs one of our files: `test/support/some-program.ts`. */
export function runProgram(
  path: string,
  argv: readonly string[],
  env: Record<string, string> = {},
): Program {
  const file = join(translated(), path.replace(/\.ts$/, '.js'))
  const child = spawn(process.execPath, [file, ...argv], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    process: child,
    async next() {
      const { value, done } = await lines.next()
      if (done) throw new Error(`${path} ended without a word`)
      return JSON.parse(value) as Record<string, unknown>
    },
    ended: new Promise((resolve) =>
      child.on('close', (code, signal) => resolve(signal ?? code ?? -1)),
    ),
  }
}

/** Where the translation of the sources as they are now lies; made if it is not there yet. */
function translated(): string {
  const paths = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
      .map((name) => join(folder, name)),
  )
  const state = createHash('sha256')
  for (const path of paths) state.update(`${path} ${statSync(join(ROOT, path)).mtimeMs}\n`)
  const target = join(CACHE, state.digest('hex').slice(0, 16))
  if (!existsSync(target)) translate(paths, target)
  return target
}

function translate(paths: readonly string[], target: string): void {
  const draft = `${target}.${process.pid}`
  for (const path of paths) {
    const source = readFileSync(join(ROOT, path), 'utf8')
    const { outputText } = ts.transpileModule(source, { compilerOptions: OPTIONS, fileName: path })
    const file = join(draft, path.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, outputText)
  }
  writeFileSync(join(draft, 'package.json'), readFileSync(join(ROOT, 'package.json')))
  try {
    renameSync(draft, target)
  } catch (error) {
    // Another test was faster.
    if (!existsSync(target)) throw error
  }
}
