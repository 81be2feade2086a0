/** What scripts rely on: devices and their vouchers. Every command is a process. */
import { readFileSync, truncateSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { voucherToPem, vouchersFromPem } from '../../protocol/voucher/pem.ts'
import { CliWorld, errorDocument } from '../support/cli-world.ts'
import { ServeProcess, firstlight, freePort } from '../support/programs.ts'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.start()
})
afterAll(() => world.end())

const GUID = /^[0-9a-f]{32}$/

// Some thirty programs, one after the other, on a machine that may be busy.
describe('firstlight voucher', { timeout: 180_000 }, () => {
  it('shows, verifies, extends and imports files, and exports and deletes what was taken in', async () => {
    const factory = new ServeProcess(world.file('factory'), await freePort(), {
      FIRSTLIGHT_FIRST_OWNER: world.pemKeys('seller').publicKey,
    })
    await factory.start()
    const credential = world.file('sold.credential')
    const init = ['--di', factory.url, '--credential', credential]
    const { guid } = await world.told<{ guid: string }>('device', 'init', ...init)
    const dashed = guid.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-').toUpperCase()
    const atFactory = { FIRSTLIGHT_DATA: world.file('factory'), FIRSTLIGHT_URL: factory.url }
    const pem = world.file('sold.pem')
    const exported = ['voucher', 'export', dashed, '--out', pem, '--json']
    expect(await firstlight(exported, atFactory)).toMatchObject({ status: 0, json: { guid } })
    const cbor = world.file('sold.cbor')
    const asCbor = ['voucher', 'export', guid, '--format', 'cbor', '--out', cbor]
    expect((await firstlight(asCbor, atFactory)).status).toBe(0)
    expect(vouchersFromPem(readFileSync(pem, 'latin1'))).toEqual([
      new Uint8Array(readFileSync(cbor)),
    ])
    const printed = await firstlight(['voucher', 'export', guid], atFactory)
    expect(printed.stdout).toBe(readFileSync(pem, 'utf8'))
    const ca = await fetch(`${factory.url}/.well-known/firstlight/device-ca.pem`)
    writeFileSync(world.file('factory-ca.pem'), await ca.text())
    await factory.stop()

    expect(await world.told('voucher', 'show', pem)).toMatchObject({ guid })
    expect(await world.told('voucher', 'verify', pem)).toMatchObject({ guid, ok: true })
    const verified = ['voucher', 'verify', pem, '--ca']
    expect(await world.told(...verified, world.file('factory-ca.pem'))).toMatchObject({ ok: true })
    expect(await world.asked(...verified, join(world.file('data'), 'ca.pem'))).toMatchObject({
      status: 5,
    })

    // Sold on to the service here, by the key it has for that.
    const keys = await world.told<{ id: string; purpose: string; type: string }[]>('key', 'list')
    const own = keys.find(({ purpose, type }) => purpose === 'owner' && type === 'p256')
    const shown = await firstlight(['key', 'show', String(own?.id)], world.local)
    writeFileSync(world.file('buyer.pem'), shown.stdout)
    const extended = world.file('extended.pem')
    const to = ['--to', world.file('buyer.pem'), '--out', extended]
    const wrongKey = world.pemKeys('stranger').key
    const stolen = await world.asked('voucher', 'extend', pem, '--key', wrongKey, ...to)
    expect(stolen).toMatchObject({ status: 5, json: errorDocument('owner-key') })
    await world.told('voucher', 'extend', pem, '--key', world.file('seller.key.pem'), ...to)
    expect(await world.told('voucher', 'verify', extended)).toMatchObject({
      guid,
      ok: true,
      entries: 2,
    })

    const [bytes = new Uint8Array()] = vouchersFromPem(readFileSync(extended, 'latin1'))
    const tampered = bytes.slice()
    tampered[tampered.length - 1]! ^= 1
    writeFileSync(world.file('bad.pem'), voucherToPem(tampered))
    writeFileSync(world.file('garbage.pem'), 'not a voucher\n')
    writeFileSync(world.file('empty.pem'), '')
    writeFileSync(world.file('huge.cbor'), '')
    truncateSync(world.file('huge.cbor'), (1 << 30) + 1)
    const files = [
      world.file('bad.pem'),
      world.file('garbage.pem'),
      world.file('missing.pem'),
      world.file('empty.pem'),
      world.file('huge.cbor'),
      extended,
    ]
    const imported = await world.asked('voucher', 'import', ...files)
    const failed = { ok: false, check: expect.stringMatching(/./), detail: expect.any(String) }
    expect(imported).toMatchObject({ status: 5 })
    expect(imported.json).toEqual([
      { file: files[0], guid, ...failed },
      { file: files[1], guid: null, ...failed },
      { file: files[2], guid: null, ...failed },
      { file: files[3], guid: null, ...failed, check: 'malformed' },
      { file: files[4], guid: null, ...failed, check: 'too-large' },
      { file: extended, guid, ok: true, check: null, detail: null },
    ])
    for (const flawed of ['bad.pem', 'garbage.pem']) {
      const { status, json } = await world.asked('voucher', 'verify', world.file(flawed))
      expect({ status, json }).toEqual({ status: 5, json: errorDocument(expect.any(String)) })
    }

    const listed = await world.told<{ guid: string }[]>('voucher', 'list')
    expect(listed.map((one) => one.guid)).toContain(guid)
    await world.told('voucher', 'delete', dashed)
    expect(await world.told('voucher', 'restore', dashed)).toMatchObject({ state: 'held' })
    await world.told('voucher', 'delete', dashed)
    const after = await world.told<{ guid: string }[]>('voucher', 'list')
    expect(after.map((one) => one.guid)).not.toContain(guid)
  })
})

describe('firstlight device', () => {
  it('is made, onboarded, shown, given a token, and rearmed', async () => {
    const { guid, credential, sandbox } = await world.madeDevice('whole-life', '--model', 'm1')
    const show = ['device', 'show', '--credential', credential]
    expect(await world.told(...show)).toMatchObject({ guid, active: true, serial: 'whole-life' })
    const onboard = ['--credential', credential, '--sandbox', sandbox, '--fast']
    const result = await world.told('device', 'onboard', ...onboard)
    expect(result).toEqual({
      guid: expect.stringMatching(GUID),
      previous_guid: guid,
      result: 'onboarded',
      error_code: null,
      message: null,
      ms: expect.any(Number),
    })
    expect(result['guid']).not.toBe(guid)
    expect(await world.told(...show)).toMatchObject({ guid: result['guid'], active: false })

    const identity = join(sandbox, 'identity')
    expect(readdirSync(identity).sort()).toEqual(['ca.pem', 'cert.pem', 'key.pem', 'service.json'])
    for (const name of ['ca.pem', 'cert.pem', 'key.pem']) {
      expect([name, statSync(join(identity, name)).mode & 0o777]).toEqual([name, 0o600])
    }
    const service: unknown = JSON.parse(readFileSync(join(identity, 'service.json'), 'utf8'))
    expect(service).toEqual({
      token_url: expect.stringMatching(/^https:.*\/oauth\/token$/),
      api_url: expect.stringMatching(/^https:/),
      ca: expect.any(String),
    })
    const token = await world.told(
      'device',
      'token',
      '--sandbox',
      sandbox,
      '--scope',
      'device:whoami',
    )
    expect(token).toMatchObject({ token_type: 'Bearer', scope: 'device:whoami' })
    const none = await world.asked('device', 'token', '--sandbox', world.file('data'))
    expect(none).toMatchObject({ status: 1, json: errorDocument('not-onboarded') })

    const again = await world.asked('device', 'onboard', ...onboard)
    expect(again).toMatchObject({ status: 1, json: errorDocument('not-active') })
    const rearmed = await world.told('device', 'rearm', '--credential', credential)
    expect(rearmed).toMatchObject({ guid: result['guid'], active: true })
    const dashed = guid.replace(/^(.{8})/, '$1-')
    expect(await world.asked('device', 'get', dashed)).toMatchObject({
      json: { guid: result['guid'] },
    })
  })

  it('goes by its serial number, where there is but one of it', async () => {
    const made = async (serial: string, name: string) => {
      const di = ['--di', world.server.url, '--serial', serial]
      const file = ['--credential', world.file(`${name}.credential`)]
      return (await world.told<{ guid: string }>('device', 'init', ...di, ...file)).guid
    }
    const guid = await made('box 7', 'box-7')
    const named = ['--serial', 'box 7']
    expect(await world.told('device', 'get', ...named)).toMatchObject({ guid, serial: 'box 7' })
    expect(await world.told('watch', ...named, '--now')).toMatchObject({ guid })
    const twins = [await made('twin', 'one'), await made('twin', 'other')]
    const both = await world.asked('device', 'retire', '--serial', 'twin')
    expect(both).toMatchObject({ status: 3, json: errorDocument('ambiguous') })
    for (const twin of twins) expect(both.stdout).toContain(twin)
    const none = await world.asked('device', 'register', '--serial', 'nobody')
    expect(none).toMatchObject({ status: 3, json: errorDocument('not-found') })
    for (const args of [
      ['device', 'get'],
      ['device', 'get', guid, ...named],
    ]) {
      expect(await world.asked(...args)).toMatchObject({ status: 2, json: errorDocument('usage') })
    }
    expect(await world.told('device', 'retire', ...named)).toMatchObject({ state: 'retired' })
  })

  it('ends with 3 where the manufacturer refuses to make it', async () => {
    const args = ['--di', world.server.url, '--credential', world.file('never.credential')]
    const rsaAsCose = ['--key', 'rsa2048', '--owner-key', 'rsa2048', '--enc', 'cose']
    const { status, json } = await world.asked('device', 'init', ...args, ...rsaAsCose)
    expect({ status, json }).toEqual({ status: 3, json: errorDocument('refused') })
  })

  it('leaves its credential alone if asked to', async () => {
    const { guid, credential, sandbox } = await world.madeDevice('kept')
    const before = readFileSync(credential)
    const args = ['--credential', credential, '--sandbox', sandbox, '--once', '--keep-credential']
    expect(await world.told('device', 'onboard', ...args)).toMatchObject({ previous_guid: guid })
    expect(readFileSync(credential)).toEqual(before)
  })

  it('takes the suite it is given', async () => {
    const { credential, sandbox } = await world.madeDevice(
      'suite',
      '--key',
      'p384',
      '--enc',
      'cose',
    )
    const suite = ['--kex', 'ECDH256', '--cipher', '33', '--once']
    const args = ['--credential', credential, '--sandbox', sandbox, ...suite]
    expect(await world.told('device', 'onboard', ...args)).toMatchObject({ result: 'onboarded' })
  })

  it('tries nothing where a flag is wrong', async () => {
    const { credential, sandbox } = await world.madeDevice('flags')
    const onboard = ['device', 'onboard', '--credential', credential, '--sandbox', sandbox]
    const cipher = await world.asked(...onboard, '--cipher', '')
    expect(cipher).toMatchObject({ status: 2, json: errorDocument('usage') })
    const ca = await world.asked(...onboard, '--ca', world.file('no-such-ca.pem'))
    expect(ca).toMatchObject({ status: 1, json: errorDocument('file') })
  })

  it('makes a single attempt with --once, and says what the other side said', async () => {
    const { guid, credential, sandbox } = await world.madeDevice('refused')
    await world.told('voucher', 'delete', guid)
    const args = ['--credential', credential, '--sandbox', sandbox, '--once']
    const { status, json } = await world.asked('device', 'onboard', ...args)
    expect(status).toBe(3)
    expect(json).toEqual({
      guid,
      previous_guid: guid,
      result: 'failed',
      error_code: expect.any(Number),
      message: expect.any(String),
      ms: expect.any(Number),
    })
  })

  it('is taken out of service for good: no token any more, and the list says why', async () => {
    const { credential, sandbox } = await world.madeDevice('over')
    const args = ['--credential', credential, '--sandbox', sandbox, '--once']
    const { guid } = await world.told<{ guid: string }>('device', 'onboard', ...args)
    expect((await world.asked('device', 'token', '--sandbox', sandbox)).status).toBe(0)
    const retired = await world.told<{ id: string; state: string }>('device', 'retire', guid)
    expect(retired.state).toBe('retired')
    const of = ['--device', retired.id, '--status', 'revoked']
    expect(await world.told('certificate', 'list', ...of)).toMatchObject([
      { profile: 'ldevid', revocation_reason: 'retired', revoked_at: expect.any(String) },
    ])
    const refused = await world.asked('device', 'token', '--sandbox', sandbox)
    expect(refused.status).not.toBe(0)
    const wrong = await world.asked('certificate', 'list', '--status', 'unheard')
    expect(wrong).toMatchObject({ status: 2, json: errorDocument('usage') })
  })
})
