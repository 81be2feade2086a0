/** Two groups of tests: those of the parts, and those that start the built program. */
import { defineConfig } from 'vitest/config'

const isOnPostgres = process.env['FIRSTLIGHT_TEST_DATABASE_URL'] !== undefined
const setupFiles = isOnPostgres ? ['test/support/postgres-cleanup.ts'] : []
/** A busy machine is no failure; on a server databases are made and removed, too. */
const patience = (ms: number) => ({ testTimeout: ms, hookTimeout: ms })
/** What is waited for comes at once, or a little later: that it never comes is told after this. */
const expect = { poll: { timeout: 10_000 } }
const PROGRAMS = ['test/e2e/cli*.test.ts', 'test/fault/**/*.test.ts']

export default defineConfig({
  test: {
    // With FIRSTLIGHT_TEST_DATABASE_URL set: see test/support/database.ts.
    globalSetup: isOnPostgres ? ['test/support/postgres.ts'] : [],
    projects: [
      {
        test: {
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: PROGRAMS,
          setupFiles,
          expect,
          ...patience(60_000),
        },
      },
      {
        test: {
          name: 'programs',
          include: PROGRAMS,
          globalSetup: 'test/support/build.ts',
          setupFiles,
          expect,
          ...patience(180_000),
        },
      },
    ],
  },
})
