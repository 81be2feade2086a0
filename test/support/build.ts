/** Before tests that start the program: dist/ as the sources are now. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const MAIN = 'dist/src/cli/main.js'
/** Where npx finds the program. */
const LINK = 'node_modules/.bin/firstlight'

export default function setup(): void {
  const newest = Math.max(...['src', 'protocol', 'scripts'].map(newestIn))
  if (existsSync(LINK) && existsSync(MAIN) && statSync(MAIN).mtimeMs > newest) return
  // Over what is there: another test run may be using it. Types are for `npm run check` to judge.
  spawnSync('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' })
  spawnSync('npm', ['run', '-s', 'executable'], { stdio: 'inherit' })
}

function newestIn(folder: string): number {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const times = files
    .filter((file) => file.endsWith('.ts'))
    .map((file) => statSync(join(folder, file)).mtimeMs)
  return Math.max(0, ...times)
}
