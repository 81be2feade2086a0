/** DI against the whole service over HTTP: who gets in, with which keys, and what becomes of it. */
import { HOME_PARTY } from '../../src/database/tables.ts'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FdoTransport, converse } from '../../protocol/converse.ts'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'
import type { PkEnc, PkType } from '../../protocol/crypto/public-key.ts'
import { type Signer, signerOf } from '../../protocol/crypto/signer.ts'
import { beginDi, diDevice } from '../../protocol/di/device.ts'
import { beginTo1, to1Device } from '../../protocol/to1/device.ts'
import { findVoucherFlaw } from '../../protocol/voucher/verify.ts'
import { ownerKeyOf, parseVoucher } from '../../protocol/voucher/voucher.ts'
import { buildCsr } from '../../protocol/x509/build-csr.ts'
import { toHex } from '../../protocol/bytes.ts'
import { loadConfig } from '../../src/config.ts'
import { httpTransport } from '../../src/fdo/client.ts'
import { type RunningService, startService } from '../../src/main.ts'
import { deviceIdOf } from '../../src/vouchers/device-id.ts'
import { recordedRun } from '../support/recorded-runs.ts'
import { withDatabase } from '../support/database.ts'
import { freePort } from '../support/programs.ts'
import { Unhurried } from '../support/unhurried.ts'

const DEVICES: Record<KeyKind, Signer> = {
  p256: signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
  p384: signerOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey),
  rsa2048: recordedRun('rsa2048restr-x509-asymkex2048-a128gcm').signer('devicePkcs8'),
  rsa3072: recordedRun('rsapkcs3072-x509-dhkexid15-a256gcm').signer('devicePkcs8'),
}

const newDevice = () => signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)

/** RSA keys have to be found, and the machine may be busy. */
const PATIENCE_MS = 120_000

const folders: string[] = []
const running: RunningService[] = []
/** As it comes, for all who want nothing else. */
let service: RunningService
beforeAll(async () => {
  service = await start()
}, PATIENCE_MS)
afterAll(async () => {
  for (const one of running.splice(0)) await one.stop()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
}, PATIENCE_MS)

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'factory-'))
  folders.push(folder)
  return folder
}

async function start(variables: Record<string, string> = {}, folder = newFolder()) {
  const config = loadConfig(
    await withDatabase({
      FIRSTLIGHT_DATA: folder,
      FIRSTLIGHT_PORT: '0',
      FIRSTLIGHT_TLS_PORT: 'off',
      FIRSTLIGHT_LOG: 'silent',
      ...variables,
    }),
  )
  const started = await startService(config, { load: new Unhurried() })
  running.push(started)
  return started
}

interface Wish {
  readonly keyType?: PkType
  readonly keyEncoding?: PkEnc
  readonly serial?: string
  readonly transport?: FdoTransport
}

const HMAC_SECRET = new Uint8Array(32).fill(9)

/** Through DI; the credential the device ends up with. */
async function make(at: RunningService, signer: Signer, wish: Wish = {}) {
  const { keyType = 10, keyEncoding = 1, serial = 'abcdef' } = wish
  const csr = await buildCsr(signer, 'device')
  const info = { keyType, keyEncoding, serial, deviceInfo: '12345', csr }
  const context = { info, hmacSecret: HMAC_SECRET }
  const client = httpTransport(at.http!)
  try {
    const [effect] = await converse({
      role: diDevice,
      first: beginDi(context),
      context,
      transport: wish.transport ?? client.send,
      now: () => new Date(),
    })
    return effect!.credential
  } finally {
    client.close()
  }
}

/** Asks the management API. */
async function api(at: RunningService, path: string, init: RequestInit = {}): Promise<Response> {
  const token = readFileSync(at.services.config.adminTokenFile, 'utf8').trim()
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return fetch(`${at.http}/api/v1${path}`, { ...init, headers })
}

/** The voucher, and how it stands. */
async function voucherOf(at: RunningService, guid: Uint8Array) {
  const path = `/vouchers/${toHex(guid)}`
  const cbor = await (await api(at, `${path}?format=cbor`)).arrayBuffer()
  const { state, entries } = (await (await api(at, path)).json()) as VoucherJson
  return { state, entries, cbor: new Uint8Array(cbor) }
}

interface VoucherJson {
  readonly state: string
  readonly entries: number | readonly unknown[]
}

async function redirect(at: RunningService, guid: Uint8Array, signer: Signer) {
  const context = { guid, signer }
  const client = httpTransport(at.http!)
  const parts = { role: to1Device, context, transport: client.send, now: () => new Date() }
  const deadline = Date.now() + 60_000
  for (;;) {
    try {
      const [effect] = await converse({ ...parts, first: beginTo1(context) })
      client.close()
      return effect!
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

const OWNER_KEYS: readonly (readonly [PkType, PkEnc])[] = [
  [10, 1],
  [10, 2],
  [10, 3],
  [11, 1],
  [11, 2],
  [11, 3],
  [1, 1],
  [1, 2],
  [5, 1],
  [5, 2],
  [6, 1],
]

describe('the factory', { timeout: PATIENCE_MS }, () => {
  it('makes a device that finds its owner at once', async () => {
    const device = newDevice()
    const { guid } = await make(service, device)
    const { addresses } = await redirect(service, guid, device)
    const { port } = new URL(service.publicUrl)
    expect(addresses).toMatchObject([{ port: Number(port), protocol: 3 }])
  })

  it.each(Object.keys(DEVICES) as KeyKind[])(
    'makes a voucher for a %s device with every key it may ask for',
    async (kind) => {
      for (const [keyType, keyEncoding] of OWNER_KEYS) {
        const { guid } = await make(service, DEVICES[kind], { keyType, keyEncoding })
        const voucher = parseVoucher((await voucherOf(service, guid)).cbor)
        expect(await findVoucherFlaw(voucher, { now: new Date() })).toBeUndefined()
        const { publicKey } = voucher.header.value
        expect(publicKey.value).toMatchObject({ type: keyType, encoding: keyEncoding })
        expect(ownerKeyOf(voucher).value.type).toBe(keyType)
        expect(voucher.entries).toHaveLength(1)
      }
      const { guid } = await make(service, DEVICES[kind], { keyType: 5 })
      await redirect(service, guid, DEVICES[kind])
    },
  )

  it.each([1, 5, 6] as const)('refuses RSA keys of type %i as COSE_Key', async (keyType) => {
    const mix = { keyType, keyEncoding: 3 } as const
    await expect(make(service, newDevice(), mix)).rejects.toMatchObject({
      peerError: { code: 101, previousMessage: 10 },
    })
  })

  it('lets a device come again, and serves its later voucher only', async () => {
    const device = newDevice()
    const first = await make(service, device)
    const second = await make(service, device)
    expect(toHex(second.guid)).not.toBe(toHex(first.guid))
    expect((await voucherOf(service, first.guid)).state).toBe('superseded')
    expect((await voucherOf(service, second.guid)).state).toBe('held')
  })

  it('takes the same serial number with another key for another device', async () => {
    const [one, other] = [newDevice(), newDevice()]
    await make(service, one, { serial: 'stock' })
    await make(service, other, { serial: 'stock' })
    const found = await api(service, '/devices?serial=stock')
    const { items } = (await found.json()) as { items: { id: string }[] }
    const ids = [one, other].map(({ key }) => deviceIdOf(HOME_PARTY, key.spki))
    expect(items.map(({ id }) => id).sort()).toEqual(ids.sort())
  })

  it('refuses that where serial numbers are unique', async () => {
    const strict = await start({ FIRSTLIGHT_UNIQUE_SERIALS: '1' })
    const [one, other] = [newDevice(), newDevice()]
    await make(strict, one)
    await make(strict, one)
    await expect(make(strict, other)).rejects.toMatchObject({ peerError: { code: 101 } })
    await expect(make(strict, other, { serial: '' })).rejects.toMatchObject({
      peerError: { code: 101 },
    })
    await make(strict, other, { serial: 'another' })
  })

  it('refuses names that fit no small device', async () => {
    const serial = 'x'.repeat(513)
    await expect(make(service, newDevice(), { serial })).rejects.toMatchObject({
      peerError: { code: 101, previousMessage: 10 },
    })
  })

  it('makes one device of messages that arrive twice, and gives both the same answer', async () => {
    const client = httpTransport(service.http!)
    const transport: FdoTransport = async (message, authorization) => {
      const answer = await client.send(message, authorization)
      if (message.number === 10) return answer
      expect(await client.send(message, authorization)).toEqual(answer)
      return answer
    }
    const device = newDevice()
    const { guid } = await make(service, device, { transport })
    client.close()
    const found = await api(
      service,
      `/vouchers?device_id=${deviceIdOf(HOME_PARTY, device.key.spki)}`,
    )
    expect(await found.json()).toMatchObject({ items: [{ guid: toHex(guid), state: 'held' }] })
  })

  it('goes on with a device after a restart', async () => {
    const folder = newFolder()
    let current = await start({}, folder)
    const transport: FdoTransport = async (message, authorization) => {
      if (message.number === 12) {
        await current.stop()
        running.splice(running.indexOf(current), 1)
        current = await start({}, folder)
      }
      const client = httpTransport(current.http!)
      return client.send(message, authorization).finally(() => client.close())
    }
    const { guid } = await make(current, newDevice(), { transport })
    expect((await voucherOf(current, guid)).state).toBe('held')
  })

  it('keeps what it makes where there is no first owner', async () => {
    const factory = await start({ FIRSTLIGHT_FIRST_OWNER: 'none' })
    const { guid } = await make(factory, newDevice())
    expect(await voucherOf(factory, guid)).toMatchObject({ state: 'held', entries: 0 })
  })

  it('hands over to another first owner, as far as that one has keys', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const file = join(newFolder(), 'owner.pem')
    writeFileSync(file, publicKey.export({ type: 'spki', format: 'pem' }))
    const factory = await start({ FIRSTLIGHT_FIRST_OWNER: file })
    const { guid } = await make(factory, newDevice())
    const sold = await voucherOf(factory, guid)
    expect(sold).toMatchObject({ state: 'handed-over', entries: 1 })
    expect(ownerKeyOf(parseVoucher(sold.cbor)).value.key.keyObject.equals(publicKey)).toBe(true)
    const kept = await make(factory, newDevice(), { keyType: 11 })
    expect(await voucherOf(factory, kept.guid)).toMatchObject({ state: 'held', entries: 0 })
  })

  it('opens its door to allowed addresses only', async () => {
    const closed = await start({ FIRSTLIGHT_DI_ALLOW: '192.0.2.0/24' })
    await expect(make(closed, newDevice())).rejects.toMatchObject({ peerError: { code: 101 } })
  })

  it('does not open its door to a proxy nobody told it of', async () => {
    const transport: FdoTransport = async ({ number, bytes }) => {
      const response = await fetch(`${service.http}/fdo/101/msg/${number}`, {
        method: 'POST',
        body: new Uint8Array(bytes),
        headers: { 'x-forwarded-for': '127.0.0.1' },
      })
      const type = Number(response.headers.get('message-type'))
      const body = new Uint8Array(await response.arrayBuffer())
      return { message: { number: type, bytes: body }, authorization: undefined }
    }
    await expect(make(service, newDevice(), { transport })).rejects.toMatchObject({
      peerError: { code: 101 },
    })
  })

  it('tells the rendezvous after a restart where the owner has gone', async () => {
    const folder = newFolder()
    const device = newDevice()
    const variables = { FIRSTLIGHT_PORT: String(await freePort()) }
    const before = await start(variables, folder)
    const { guid } = await make(before, device)
    await redirect(before, guid, device)
    await before.stop()
    running.splice(running.indexOf(before), 1)

    const after = await start(variables, folder)
    const addresses = [{ dns: 'owner.test', port: 443, protocol: 'https' }]
    const put = { method: 'PUT', body: JSON.stringify({ addresses }) }
    expect((await api(after, '/owner-addresses', put)).status).toBe(200)
    await expect
      .poll(async () => (await redirect(after, guid, device)).addresses, { timeout: 60_000 })
      .toMatchObject([{ dns: 'owner.test', port: 443, protocol: 5 }])
  })
})
