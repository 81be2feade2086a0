/** What a PostgreSQL server has to grant, and what a database has to be, before a service starts on it. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import { loadConfig } from '../../../../src/config.ts'
import { openDatabase } from '../../../../src/database/open.ts'
import { postgresInspection } from '../../../../src/database/postgres/inspect.ts'
import { examine } from '../../../../src/operations/doctor/examine.ts'
import { isOnPostgres, onServer, urlOf } from '../../../support/database.ts'

let name: string
beforeEach(() => {
  name = `refusal_${randomBytes(6).toString('hex')}`
})
afterEach(async () => {
  if (!isOnPostgres) return
  await onServer(`drop database if exists ${name} with (force)`)
  await onServer(`drop role if exists ${name}`)
})

/** By somebody who owns nothing. */
function urlOfStranger(): string {
  const url = new URL(urlOf(name))
  url.username = name
  return url.href
}

const refusalOf = (url: string) => openDatabase(url).then(() => 'opened', String)

describe.runIf(isOnPostgres)('a database', () => {
  it('whose user may make no tables is refused by that reason, and the next step', async () => {
    await onServer(`create database ${name}`)
    await onServer(`create role ${name} login`)
    expect(await refusalOf(urlOfStranger())).toBe(
      'MigrationRefused: DATABASE_URL: permission denied for schema public: ' +
        'its user has to own the database, on a server that takes writes',
    )
    expect(await postgresInspection(urlOfStranger()).findFlaw()).toMatch(/may make no tables/)
    expect(await postgresInspection(urlOf(name)).findFlaw()).toBeUndefined()
  })

  it('where nothing can be written is refused as such', async () => {
    await onServer(`create database ${name}`)
    const url = `${urlOf(name)}?options=${encodeURIComponent('-c default_transaction_read_only=on')}`
    expect(await refusalOf(url)).toMatch(/^MigrationRefused: DATABASE_URL: .*read-only transaction/)
  })

  it('that cannot hold every script is refused before it has a table', async () => {
    await onServer(`create database ${name} encoding 'LATIN1' locale 'C' template template0`)
    expect(await refusalOf(urlOf(name))).toMatch(/encoded as LATIN1: make it with createdb/)
    expect(await postgresInspection(urlOf(name)).migrations()).toEqual([])
  })

  it('that cannot be opened is a finding, and keeps no other from being made', async () => {
    await onServer(`create database ${name}`)
    await (await openDatabase(urlOf(name))).close()
    const read_only = encodeURIComponent('-c default_transaction_read_only=on')
    const config = loadConfig({ DATABASE_URL: `${urlOf(name)}?options=${read_only}` })
    const found = await examine({ config, clock: new FakeClock(), backupSeconds: 60 })
    const wrong = found.filter(({ status }) => status === 'problem')
    expect(wrong.map(({ check }) => check)).toContain('database')
  })
})
