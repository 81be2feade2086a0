/** After each file of tests on PostgreSQL: some ten megabytes for each database add up. */
import { afterAll } from 'vitest'
import { dropKept } from './database.ts'

afterAll(dropKept)
