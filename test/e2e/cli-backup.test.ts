/** A machine is lost: its back-up, made while it served, becomes a service on a clean one. */
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliWorld } from '../support/cli-world.ts'
import { isOnPostgres, makeEmptyDatabase } from '../support/database.ts'
import { MAIN, ServeProcess, firstlight } from '../support/programs.ts'

interface MissedJson {
  readonly moved: readonly {
    readonly device: string
    readonly guid: string
    readonly previous_guid: string
  }[]
  readonly gained: readonly { readonly guid: string }[]
  readonly sold: readonly { readonly guid: string }[]
}

let world: CliWorld
let keys: { readonly privateKey: string; readonly publicKey: string }
let second: ServeProcess | undefined

beforeAll(async () => {
  world = await CliWorld.start()
  keys = recipient('operator')
})
afterAll(async () => {
  await second?.kill()
  await world.end()
})

function recipient(name: string) {
  const pair = generateKeyPairSync('x25519')
  const privateKey = world.file(`${name}.key`)
  const publicKey = world.file(`${name}.pem`)
  const passphrase = { cipher: 'aes-256-cbc', passphrase: 'open it' }
  const pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem', ...passphrase })
  writeFileSync(privateKey, pem, { mode: 0o600 })
  writeFileSync(`${privateKey}.pass`, 'open it\n')
  writeFileSync(publicKey, pair.publicKey.export({ type: 'spki', format: 'pem' }))
  return { privateKey, publicKey }
}

const restoring = (file: string, data: string, ...more: string[]) => {
  const pass = `${keys.privateKey}.pass`
  const args = ['restore', file, '--key', keys.privateKey, '--passphrase-file', pass, '--json']
  return firstlight([...args, ...more], { FIRSTLIGHT_DATA: data })
}

describe('a back-up', () => {
  it('brings back, on a clean host, a service where every pending device onboards', async () => {
    const early = await world.madeDevice('early')
    const pending = await world.madeDevice('pending')
    const moving = await world.madeDevice('moving')
    const toSell = await world.madeDevice('to-sell')
    const onboard = (one: { credential: string; sandbox: string }) =>
      world.told<{ result: string; guid: string }>(
        ...[
          'device',
          'onboard',
          '--credential',
          one.credential,
          '--sandbox',
          one.sandbox,
          '--once',
        ],
      )
    await onboard(early)

    const file = world.file('first.backup')
    const made = await world.told('backup', '--to', keys.publicKey, '--out', file)
    expect(made).toMatchObject({ file, recorded: true })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readdirSync(world.server.folder).filter((name) => name.startsWith('.'))).toEqual([])

    const { guid: movedTo } = await onboard(moving)
    const late = await world.madeDevice('late')
    await world.told(
      'voucher',
      'sell',
      toSell.guid,
      '--to',
      world.pemKeys('buyer').publicKey,
      '--unproven',
    )
    const log = world.file('log.jsonl')
    await world.told('audit', 'export', '--out', log)
    const lostToken = readFileSync(join(world.server.folder, 'admin.token'), 'utf8').trim()

    await world.server.kill()
    rmSync(world.server.folder, { recursive: true })
    const data = world.file('clean')
    if (isOnPostgres) await makeEmptyDatabase(data)
    const { status, json, stderr } = await restoring(file, data, '--log', log)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const { missed } = json as { missed: MissedJson[] }
    const expected = {
      moved: [{ previous_guid: moving.guid, guid: movedTo }],
      gained: [{ guid: late.guid }],
      sold: [{ guid: toSell.guid }],
    }
    expect(missed).toMatchObject([expected])

    const port = Number(new URL(world.server.url).port)
    const tlsPort = new URL(world.ready.https ?? '').port
    const variables = { FIRSTLIGHT_TLS_PORT: tlsPort, FIRSTLIGHT_TRUST: 'any' }
    second = new ServeProcess(data, port, variables)
    await second.start()
    const local = { FIRSTLIGHT_DATA: data, FIRSTLIGHT_URL: second.url }
    expect((await onboard(pending)).result).toBe('onboarded')
    const asked = await firstlight(['audit', 'missed', log, '--json'], local)
    expect(asked.json).toMatchObject(expected)
    const gone = await firstlight(['device', 'list', '--json'], {
      ...local,
      FIRSTLIGHT_TOKEN: lostToken,
    })
    expect(gone.json).toMatchObject({ error: { code: 'not-authenticated' } })
    const token = await firstlight(['device', 'token', '--sandbox', moving.sandbox, '--json'])
    expect(token.status).not.toBe(0)
    const movedOn = ['audit', 'list', '--type', 'device-moved-on', '--json']
    const strangers = (await firstlight(movedOn, local)).json
    const [{ device = '' } = {}] = missed.flatMap(({ moved }) => moved)
    expect(strangers).toMatchObject([{ subject: { device, guid: moving.guid } }])
    const verified = await firstlight(['audit', 'verify', '--json'], local)
    expect(verified.status).toBe(0)
  }, 180_000)

  it('is restored, and said to be, where what came with it is no log', async () => {
    const data = world.file('without-log')
    if (isOnPostgres) await makeEmptyDatabase(data)
    const file = world.file('first.backup')
    const { status, json } = await restoring(file, data, '--log', keys.publicKey)
    const message = `${data} is restored, but ${keys.publicKey}: not JSON`
    expect({ status, json }).toMatchObject({ status: 1, json: { error: { message } } })
    expect(readdirSync(data)).toContain('master.key')
  }, 60_000)
})

describe('the master key', () => {
  it('is not rotated while a service runs, and is once it has stopped', async () => {
    const folder = second?.folder ?? ''
    const variables = { FIRSTLIGHT_DATA: folder }
    const args = ['master-key', 'rotate', '--json']
    const refused = await firstlight(args, variables)
    expect(refused).toMatchObject({ status: 1, json: { error: { code: 'in-use' } } })
    await second?.stop()
    const { status, json, stderr } = await firstlight(args, variables)
    expect({ status, json }).toMatchObject({
      status: 0,
      json: { file: join(folder, 'master.key') },
    })
    expect(stderr.includes('every machine')).toBe(isOnPostgres)
    await second?.start()
    const listed = await firstlight(['device', 'list', '--json'], {
      ...variables,
      FIRSTLIGHT_URL: second?.url ?? '',
    })
    expect(listed.status).toBe(0)
  }, 120_000)
})

describe('with a database on a server that does not answer', () => {
  it.each([
    ['backup', '--to', 'operator.pem', '--out', 'none.backup'],
    ['restore', 'first.backup', '--key', 'operator.key', '--passphrase-file', 'operator.key.pass'],
    ['master-key', 'rotate'],
  ])('%s says so', async (...args) => {
    const files = args.map((one) => (one.includes('.') ? world.file(one) : one))
    const FIRSTLIGHT_DATA = mkdtempSync(world.file('nobody'))
    const key = `${Buffer.alloc(32).toString('base64url')}\n`
    if (args[0] === 'master-key') {
      writeFileSync(join(FIRSTLIGHT_DATA, 'master.key'), key, { mode: 0o600 })
    }
    const env = { ...process.env, FIRSTLIGHT_DATA, DATABASE_URL: 'postgres://me:pw@127.0.0.1:1/x' }
    const { status, stdout } = spawnSync(process.execPath, [MAIN, ...files, '--json'], { env })
    expect(status).toBe(4)
    const { error } = JSON.parse(String(stdout)) as { error: { message: string } }
    expect(error.message).toMatch(/ECONNREFUSED/)
    expect(error.message).not.toContain('pw@')
  })
})
