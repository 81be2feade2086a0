/** The audit log through the command line: read, exported, verified, and watched by an outsider. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hashOf } from '../../src/audit/entry.ts'
import { entryLine, parseLine } from '../../src/audit/lines.ts'
import { AuditWorld, anEntry, guid } from '../support/audit-world.ts'
import { CliWorld, errorDocument } from '../support/cli-world.ts'
import { type Ended, firstlight } from '../support/programs.ts'

let world: CliWorld
/** Beside the service, as another process that writes to the same log. */
let log: AuditWorld
let keys: { key: string; publicKey: string }
let fingerprint: string
beforeAll(async () => {
  world = await CliWorld.start()
  log = await AuditWorld.open(join(world.server.folder, 'firstlight.sqlite'))
  keys = world.pemKeys('auditor')
  const added = await audit('witnesses', 'add', keys.publicKey, '--name', 'auditor')
  fingerprint = (added.json as { fingerprint: string }).fingerprint
})
afterAll(async () => {
  await log.database.close()
  await world.end()
})

const audit = (...args: string[]): Promise<Ended> => world.asked('audit', ...args)
const witness = (state: string) => audit('witness', '--key', keys.key, '--state', world.file(state))
const anAudit = async (...args: string[]) => {
  const { status, json, stdout } = await audit(...args)
  expect([stdout, status]).toEqual([stdout, 0])
  return json as any
}
const linesOfFile = (name: string) =>
  readFileSync(world.file(name), 'utf8')
    .split('\n')
    .filter((line) => line !== '')

beforeEach(() => log.fill(3))

describe('audit list', () => {
  it('shows what happened, newest first', async () => {
    await log.append(anEntry({ type: 'test-event', subject: { guid: guid(77) }, by: 'fdoa_7' }))
    const found = await anAudit('list', '--type', 'test-event', '--limit', '1')
    expect(found).toMatchObject([{ type: 'test-event', by: 'fdoa_7', subject: { guid: guid(77) } }])
    expect(await anAudit('list', '--guid', guid(77))).toHaveLength(1)
    const since = ['list', '--type', 'test-event', '--since']
    expect(await anAudit(...since, '2026-01-01T00:00:00Z')).toHaveLength(1)
    expect(await anAudit(...since, '1m')).toEqual([])
    expect(await anAudit('list', '--until', '2020-01-01T00:00:00Z')).toEqual([])
    expect(await anAudit('list', '--limit', '2')).toHaveLength(2)
    const { stdout } = await firstlight(['audit', 'list'], world.local)
    expect(stdout).toMatch(/SEQ +AT +TYPE +BY +ABOUT +DETAIL/)
    expect(stdout).toContain(guid(77))
  })

  it('says what is wrong with what it is asked', async () => {
    for (const flags of [
      ['--since', 'then'],
      ['--limit', '0'],
      ['--limit', 'x'],
    ]) {
      expect(await audit('list', ...flags)).toMatchObject({
        status: 2,
        json: errorDocument('usage'),
      })
    }
  })
})

describe('audit export', () => {
  it('writes JSON lines that anyone can check, in a file or on stdout', async () => {
    const out = world.file('export.jsonl')
    const done = await anAudit('export', '--out', out)
    const { seq, hash } = await anAudit('head')
    expect(done).toMatchObject({ entries: seq, out })
    expect(statSync(out).mode & 0o777).toBe(0o600)
    const lines = linesOfFile('export.jsonl')
    expect(lines.map((line) => parseLine(line)).findLast(({ entry }) => entry)).toMatchObject({
      entry: { seq, hash: Buffer.from(hash, 'hex') },
    })
    const { stdout, stderr } = await firstlight(['audit', 'export', '--from', '2'], world.local)
    expect(stdout.split('\n').filter((line) => line !== '')).toEqual(lines.slice(1))
    expect(stderr).toContain('exporting')
    expect(await audit('export')).toMatchObject({ status: 2, json: errorDocument('usage') })
  })

  it('goes from part to part', async () => {
    await log.database.commit(async (tx) => {
      await log.audit.append(tx, ...Array.from({ length: 4_100 }, () => anEntry()))
    })
    const { entries } = await anAudit('export', '--out', world.file('long.jsonl'))
    expect(entries).toBeGreaterThan(4_100)
    expect(await anAudit('verify', '--file', world.file('long.jsonl'))).toMatchObject({ entries })
    expect(await anAudit('verify')).toMatchObject({ entries })
  })
})

describe('audit verify', () => {
  it('needs no service, and no token, for a file', async () => {
    await anAudit('export', '--out', world.file('offline.jsonl'))
    const args = ['audit', 'verify', '--file', world.file('offline.jsonl')]
    const { status, stdout } = await firstlight(args, {})
    expect([status, stdout]).toEqual([0, expect.stringMatching(/entries +\d+, whole/)])
  })

  it('names the first broken link, with exit status 5', async () => {
    await anAudit('export', '--out', world.file('whole.jsonl'))
    const lines = linesOfFile('whole.jsonl')
    const forged = (name: string, changed: readonly string[]) => {
      writeFileSync(world.file(name), `${changed.join('\n')}\n`)
      return audit('verify', '--file', world.file(name))
    }
    const lie = lines.with(2, String(lines[2]).replace('voucher-made', 'voucher-sold'))
    const changed = await forged('changed.jsonl', lie)
    expect(changed).toMatchObject({ status: 5, json: errorDocument('hash') })
    expect(changed.stdout).toContain('broken at entry 3:')
    const removed = await forged('removed.jsonl', lines.toSpliced(2, 1))
    expect(removed).toMatchObject({ status: 5, json: errorDocument('gap') })
    const binary = await forged('no-log.jsonl', ['\u0000\u0001'])
    expect(binary).toMatchObject({ status: 5, json: errorDocument('malformed') })
    const absent = await audit('verify', '--file', world.file('absent.jsonl'))
    expect(absent).toMatchObject({ status: 1, json: errorDocument('file') })
  })

  it('says so where no head was countersigned by a witness that is asked about', async () => {
    const stranger = world.pemKeys('stranger')
    const ended = await audit('verify', '--witness', stranger.publicKey)
    expect(ended).toMatchObject({ status: 5, json: errorDocument('not-countersigned') })
  })

  it('holds the log to heads that were noted', async () => {
    const { seq, hash } = await anAudit('head')
    await log.fill(1)
    expect(await anAudit('verify', '--head', `${seq}:${hash}`)).toMatchObject({ entries: seq + 1 })
    const other = createHash('sha256').digest('hex')
    const ended = await audit('verify', '--head', `1:${other}`, `${seq}:${hash}`)
    expect(ended).toMatchObject({ status: 5, json: errorDocument('head') })
    const usage = await audit('verify', '--head', hash)
    expect(usage).toMatchObject({ status: 2, json: errorDocument('usage') })
  })
})

describe('a witness', () => {
  it('signs what has been added since the last time', async () => {
    const first = (await witness('first.state')).json as { seq: number }
    expect(first).toMatchObject({ witness: fingerprint, added: first.seq })
    expect((await witness('first.state')).json).toMatchObject({ seq: first.seq, added: 0 })
    await log.fill(2)
    const { seq } = await anAudit('head')
    expect((await witness('first.state')).json).toMatchObject({ seq, added: seq - first.seq })
    const state = world.file('first.state')
    expect(JSON.parse(readFileSync(state, 'utf8'))).toMatchObject({ party: 'fdop_home', seq })
    const verified = await anAudit('verify', '--witness', keys.publicKey, '--state', state)
    expect(verified.countersigned).toMatchObject([{ witness: fingerprint, seq }])
  })

  it('that is not listed has nothing kept, and needs the permission', async () => {
    const stranger = world.pemKeys('unknown')
    const state = world.file('unknown.state')
    const args = ['witness', '--key', stranger.key, '--state', state]
    expect(await audit(...args)).toMatchObject({ status: 6, json: errorDocument('not-permitted') })
    // Once it is listed, what it has signed already is taken.
    await audit('witnesses', 'add', stranger.publicKey, '--name', 'second')
    expect(await audit(...args)).toMatchObject({ status: 0 })
    const { fingerprint: other } = (await anAudit('witnesses', 'list')).find(
      ({ name }: { name: string }) => name === 'second',
    )
    expect(await anAudit('witnesses', 'remove', other)).toMatchObject({ removed: true })
    expect(await audit(...args)).toMatchObject({ status: 6 })
    const { stdout } = await firstlight(
      ['token', 'create', '--name', 'w', '--scope', 'read'],
      world.local,
    )
    const reader = { ...world.local, FIRSTLIGHT_TOKEN: stdout.trim() }
    const asReader = ['audit', 'witness', '--key', keys.key, '--state', world.file('reader.state')]
    expect(await firstlight(asReader, reader)).toMatchObject({ status: 6 })
  })

  it('keeps a state for each key, and knows it when it sees it', async () => {
    await witness('mine.state')
    const other = world.pemKeys('other')
    const foreign = await audit('witness', '--key', other.key, '--state', world.file('mine.state'))
    expect(foreign).toMatchObject({ status: 2, json: errorDocument('usage') })
    for (const text of ['{', 'null', '{}', '{"countersignature":"AAAA"}']) {
      writeFileSync(world.file('wrong.state'), text)
      expect(await witness('wrong.state')).toMatchObject({ status: 1, json: errorDocument('file') })
    }
    expect(await audit('verify', '--state', world.file('no.state'))).toMatchObject({ status: 1 })
  })

  it('does not sign a log that was rewritten or cut, and whoever verifies finds it', async () => {
    await witness('last.state')
    const state = world.file('last.state')
    await anAudit('export', '--out', world.file('before.jsonl'))
    const { seq } = await anAudit('head')
    await rewriteFrom(seq - 1)
    expect(await anAudit('verify')).toMatchObject({ entries: seq })
    const before = readFileSync(state)
    expect(await witness('last.state')).toMatchObject({ status: 5, json: errorDocument('head') })
    expect(readFileSync(state)).toEqual(before)
    for (const anchor of [
      ['--witness', keys.publicKey],
      ['--state', state],
    ]) {
      const found = await audit('verify', ...anchor)
      expect(found).toMatchObject({ status: 5, json: errorDocument('head') })
      expect(found.stdout).toContain(`broken at entry ${seq}:`)
    }
    // Without what was countersigned, only the witness itself still knows.
    await log.tamper(
      `delete from audit_countersignature where seq = ${seq}`,
      'audit_countersignature',
    )
    expect(await audit('verify', '--witness', keys.publicKey)).toMatchObject({ status: 0 })
    expect(await audit('verify', '--state', state)).toMatchObject({ status: 5 })
    await log.tamper(`delete from audit_entry where seq >= ${seq - 1}`)
    expect(await witness('last.state')).toMatchObject({ status: 5, json: errorDocument('cut') })
    expect(existsSync(state)).toBe(true)
  })
})

/** As one does who has the database and every key in it. */
async function rewriteFrom(from: number): Promise<void> {
  const entries = await log.entries()
  await log.tamper(`delete from audit_entry where seq >= ${from}`)
  let previous = entries[from - 2]!.hash
  for (const entry of entries.slice(from - 1)) {
    const content = { ...entry, type: 'nothing-happened', previous }
    const forged = { ...content, hash: hashOf(content) }
    previous = forged.hash
    const { addEntry } = await import('../../src/audit/store.ts')
    await log.database.commit((tx) => addEntry(tx, forged))
    expect(entryLine(forged)).not.toBe(entryLine(entry))
  }
}
