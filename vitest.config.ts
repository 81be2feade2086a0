/** Two groups of tests: those of the parts, and those that start the built program. */
import { defineConfig } from 'vitest/config'

const isOnPostgres = process.env['FIRSTLIGHT_TEST_DATABASE_URL'] !== undefined
const setupFiles = isOnPostgres ? ['test/support/postgres-cleanup.ts'] : []
/** A server’s databases are made and removed; a busy machine is no failure. */
const patience = isOnPostgres ? { testTimeout: 60_000, hookTimeout: 60_000 } : {}
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
          // A busy machine is no failure.
          testTimeout: 30_000,
          hookTimeout: 30_000,
          ...patience,
        },
      },
      {
        test: {
          name: 'programs',
          include: PROGRAMS,
          globalSetup: 'test/support/build.ts',
          setupFiles,
          expect,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
