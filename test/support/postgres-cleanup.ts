/** After each file of tests on PostgreSQL: some ten megabytes for each database add up. */
import { afterAll } from 'vitest'
import { dropKept } from './database.ts'

// On a busy machine it takes long.
afterAll(dropKept, 60_000)
