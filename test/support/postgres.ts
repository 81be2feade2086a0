/** Before tests on PostgreSQL: one database with all tables, for others to be copies of. */
import { openDatabase } from '../../src/database/open.ts'
import { TEMPLATE, isOnPostgres, onServer, urlOf } from './database.ts'

export default async function setup(): Promise<void> {
  if (!isOnPostgres) return
  await onServer(`drop database if exists ${TEMPLATE}`)
  await onServer(`create database ${TEMPLATE}`)
  const database = await openDatabase(urlOf(TEMPLATE))
  await database.close()
}
