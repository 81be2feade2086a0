/** Two groups of tests: those of the parts, and those that start the built program. */
import { defineConfig } from 'vitest/config'

const PROGRAMS = ['test/e2e/cli*.test.ts', 'test/fault/**/*.test.ts']

export default defineConfig({
  test: {
    // With FIRSTLIGHT_TEST_DATABASE_URL set: see test/support/database.ts.
    globalSetup: 'test/support/postgres.ts',
    projects: [
      {
        test: {
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: PROGRAMS,
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'programs',
          include: PROGRAMS,
          globalSetup: 'test/support/build.ts',
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
