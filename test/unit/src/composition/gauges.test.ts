/** What waits, as Prometheus is told of it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AuditLog } from '../../../../src/audit/log.ts'
import { settleAll } from '../../../../src/audit/settle.ts'
import { watchBacklogs } from '../../../../src/composition/gauges/backlogs.ts'
import { measured } from '../../../../src/composition/gauges/measured.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { Metrics } from '../../../../src/metrics.ts'
import { addDevices } from '../../../support/pki.ts'
import { type DataDirectory, dataDirectory } from '../../../support/data-directory.ts'

let data: DataDirectory
let metrics: Metrics
beforeEach(async () => {
  data = await dataDirectory()
  metrics = new Metrics()
  watchBacklogs({ ...data, metrics })
})
afterEach(() => data.remove())

async function figure(name: string): Promise<number | undefined> {
  const [, value] = new RegExp(`^${name} (\\S+)$`, 'm').exec(await metrics.text()) ?? []
  return value === undefined ? undefined : Number(value)
}

const ago = (seconds: number) => new Date(data.clock.now().getTime() - seconds * 1000).toISOString()

async function addJob(guid: string, origin: string, next_at: string): Promise<void> {
  await addDevices(data.database, { [guid]: HOME_PARTY })
  const voucher = { guid, party: HOME_PARTY, device_id: guid, device_info: 'm', owner_key: 'k' }
  const state = { state: 'held' as const, deleted_from: null, origin: 'made' as const, entries: 1 }
  const unsold = {
    entry_style: 'fdo-1.1' as const,
    revision: 1,
    superseded_by: null,
    exported_at: null,
    cbor: Buffer.from('v'),
  }
  await data.database.db
    .insertInto('voucher')
    .values({ ...voucher, ...state, ...unsold, created_at: ago(0), updated_at: ago(0) })
    .execute()
  const job = { guid, party: HOME_PARTY, directive: 0, origin, state: 'waiting' as const, next_at }
  const rest = { attempts: 0, last_error: null, expires_at: null, addresses: null }
  await data.database.db
    .insertInto('to0_job')
    .values({ ...job, ...rest })
    .execute()
}

async function addWebhook(
  id: string,
  more: { cursor: number; failing_since?: string; state?: 'disabled' },
) {
  const at = ago(0)
  const about = { id, party: HOME_PARTY, url: 'https://a', types: '*', secret: Buffer.from('s') }
  const standing = { state: 'active' as const, revision: 1, attempts: 0, last_error: null }
  const times = { failing_since: null, next_at: at, last_delivered_at: null, created_at: at }
  await data.database.db
    .insertInto('webhook')
    .values({ ...about, ...standing, ...times, ...more })
    .execute()
}

describe('the backlogs', () => {
  it('tell of registrations that are due, and for how long the oldest has been', async () => {
    await addJob('a', 'http://one', ago(30))
    await addJob('b', 'http://one', ago(90))
    await addJob('c', 'http://two', ago(10))
    await addJob('d', 'http://two', ago(-60))
    expect(await figure('firstlight_to0_due')).toBe(3)
    expect(await figure('firstlight_to0_overdue_seconds')).toBe(90)
  })

  it('tell of webhooks that lag behind, and of those that fail', async () => {
    const audit = new AuditLog(data)
    const entry = { party: HOME_PARTY, type: 'registered', by: 'system', subject: {} } as const
    await data.database.commit((tx) => audit.append(tx, entry, entry, entry))
    await settleAll(data.database)
    await addWebhook('w1', { cursor: 1 })
    await addWebhook('w2', { cursor: 3 })
    await addWebhook('w3', { cursor: 0, failing_since: ago(60) })
    await addWebhook('w4', { cursor: 0, state: 'disabled' })
    expect(await figure('firstlight_webhook_backlog')).toBe(5)
    expect(await figure('firstlight_webhooks_failing')).toBe(2)
  })

  it('tell of vouchers that have not reached their buyers, of no back-up, and of the disk', async () => {
    const { db } = data.database
    const stamps = { created_at: ago(0), updated_at: ago(0) }
    const partner = { id: 'p', party: HOME_PARTY, name: 'p', did: null, push_url: null }
    await db
      .insertInto('partner')
      .values({ ...partner, pull_url: null, token: null, ...stamps })
      .execute()
    for (const state of ['waiting', 'waiting', 'delivered'] as const) {
      const guid = `${Math.random()}`
      const job = { id: guid, party: HOME_PARTY, partner: 'p', guid, voucher_hash: 'h', state }
      await db
        .insertInto('push_job')
        .values({ ...job, attempts: 0, next_at: ago(0), last_error: null, ...stamps })
        .execute()
    }
    expect(await figure('firstlight_push_waiting')).toBe(2)
    expect(await figure('firstlight_last_backup_timestamp_seconds')).toBeUndefined()
    expect(await figure('firstlight_data_free_bytes')).toBeGreaterThan(0)
    expect(await figure('firstlight_processes')).toBe(1)
    expect(await figure('firstlight_processes_wanted')).toBe(data.config.processes)
  })
})

describe('a measured database', () => {
  it('counts commits, and those that wait; one that fails as well', async () => {
    const own = new Metrics()
    const database = measured(data.database, own)
    let proceed = () => {}
    const held = new Promise<void>((resolve) => (proceed = resolve))
    const committing = database.commit(async () => held)
    await new Promise(setImmediate)
    expect(await own.text()).toContain('\nfirstlight_database_commits_waiting 1\n')
    proceed()
    await committing
    await expect(database.commit(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
    const text = await own.text()
    expect(text).toContain('\nfirstlight_database_commits_waiting 0\n')
    expect(text).toContain('\nfirstlight_database_commit_seconds_count 2\n')
  })
})
