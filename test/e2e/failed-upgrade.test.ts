/** Upgrades, while the version before still runs, or once it starts again. */
import type { Kysely } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contract, expand } from '../../src/database/migrations/change.ts'
import { migrations } from '../../src/database/migrations/index.ts'
import { openDatabase } from '../../src/database/open.ts'
import { StartRefused } from '../../src/secrets/master-key.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

let world: TestService
beforeAll(async () => {
  world = await startTestService()
}, PATIENCE_MS)
afterAll(() => world.remove())

function place(): string {
  const { databaseUrl, databaseFile } = world.service.services.config
  return databaseUrl ?? databaseFile
}

const half = expand({
  async up(db: Kysely<unknown>) {
    await db.schema.alterTable('device').addColumn('colour', 'text').execute()
    await db.schema.dropTable('api_token').execute()
    throw new Error('the disk caught fire')
  },
})
const good = {
  async up(db: Kysely<unknown>) {
    await db.schema.createTable('colour').addColumn('name', 'text').execute()
  },
}

const less = {
  async up(db: Kysely<unknown>) {
    await db.schema.dropTable('upload').execute()
  },
}

describe('a migration that fails', () => {
  it('changes nothing, not by those before it either, and the running version goes on', async () => {
    const known = { ...migrations, '9998-good': expand(good), '9999-half': half }
    const upgrade = openDatabase(place(), { known })
    await expect(upgrade).rejects.toThrow(
      /9999-half failed, and nothing was changed: .* caught fire/,
    )
    const made = await world.api('POST', '/api/v1/tokens', {
      json: { name: 'after', scopes: ['voucher:read'], ttl_seconds: 60 },
    })
    expect(made.status).toBe(201)
    await world.stop()
    const again = await openDatabase(place())
    const tables = await again.db.introspection.getTables()
    expect(tables.map(({ name }) => name)).not.toContain('colour')
    await again.close()
  })

  it('leaves the version before able to start', async () => {
    const restarted = await startTestService({}, { folder: world.folder })
    await restarted.stop()
  })
})

describe('a migration that went well', () => {
  it('leaves the version before able to start where it only adds', async () => {
    const known = { ...migrations, '9997-good': expand(good) }
    await (await openDatabase(place(), { known })).close()
    const before = await startTestService({}, { folder: world.folder })
    expect((await before.api('GET', '/api/v1/tokens')).status).toBe(200)
    await before.stop()
  })

  it('is not begun where it takes away what somebody who runs may use', async () => {
    const running = await startTestService({}, { folder: world.folder })
    const known = {
      ...migrations,
      '9997-good': expand(good),
      '9999-less': contract(less, '9999-less'),
    }
    const upgrade = openDatabase(place(), { known })
    await expect(upgrade).rejects.toThrow(
      /takes away what .* still uses, and nothing was changed: stop that, .* knows 9999-less/,
    )
    expect((await running.api('GET', '/api/v1/tokens')).status).toBe(200)
    await running.stop()
  })

  it('leaves out the version before where it took away what that uses', async () => {
    const known = {
      ...migrations,
      '9997-good': expand(good),
      '9999-less': contract(less, '9999-less'),
    }
    const upgraded = await openDatabase(place(), { known })
    await upgraded.close()
    const starting = startTestService({}, { folder: world.folder })
    await expect(starting).rejects.toThrow(StartRefused)
    await expect(starting).rejects.toThrow(/by a later version \(9999-less, which takes 9999-less/)
  })

  it('leaves out who has migrations of its own, from another line of versions', async () => {
    const starting = openDatabase(place(), { known: { ...migrations, '9996-other': expand(good) } })
    await expect(starting).rejects.toThrow(/upgraded by a later version/)
  })
})
