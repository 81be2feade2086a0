/** An upgrade whose migration fails, while the version before still runs. */
import type { Kysely } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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

const half = {
  async up(db: Kysely<unknown>) {
    await db.schema.alterTable('device').addColumn('colour', 'text').execute()
    await db.schema.dropTable('api_token').execute()
    throw new Error('the disk caught fire')
  },
}
const good = {
  async up(db: Kysely<unknown>) {
    await db.schema.createTable('colour').addColumn('name', 'text').execute()
  },
}

describe('a migration that fails', () => {
  it('changes nothing, not by those before it either, and the running version goes on', async () => {
    const known = { ...migrations, '9998-good': good, '9999-half': half }
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

  it('leaves the version before able to start, and one that went well does not', async () => {
    const restarted = await startTestService({}, { folder: world.folder })
    await restarted.stop()
    const upgraded = await openDatabase(place(), {
      known: { ...migrations, '9999-good': good },
    })
    await upgraded.close()
    const starting = startTestService({}, { folder: world.folder })
    await expect(starting).rejects.toThrow(StartRefused)
    await expect(starting).rejects.toThrow(/upgraded by a later version \(9999-good\)/)
  })
})
