/** TO0 and TO1 against the whole service over HTTP, by an owner and a device from elsewhere. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../../protocol/bytes.ts'
import { encode } from '../../protocol/cbor/cbor.ts'
import { type Answer, converse } from '../../protocol/converse.ts'
import { parseErrorMessage } from '../../protocol/error-message.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { type Message, bodyOf } from '../../protocol/message.ts'
import { HelloAck, OwnerSign } from '../../protocol/to0/messages.ts'
import { beginTo1, to1Device } from '../../protocol/to1/device.ts'
import { loadConfig } from '../../src/config.ts'
import { type HttpTransport, httpTransport } from '../../src/fdo/client.ts'
import { type RunningService, startService } from '../../src/main.ts'
import { ownerSignOf, worldOf } from '../support/registering.ts'
import { sell } from '../support/vouchers.ts'
import { withDatabase } from '../support/database.ts'
import { Unhurried } from '../support/unhurried.ts'

const { parts, voucher, owner, device } = await worldOf()
const [manufacturer, , nextOwner] = parts.signers
const soldOn = await sell(parts, voucher, 2)
const PATIENCE_MS = 60_000

const folder = mkdtempSync(join(tmpdir(), 'rendezvous-'))
let service: RunningService
let client: HttpTransport

async function start(trust: Record<string, string> = { FIRSTLIGHT_TRUST: 'any' }): Promise<void> {
  const config = loadConfig(
    await withDatabase({
      FIRSTLIGHT_DATA: folder,
      FIRSTLIGHT_ROLES: 'rendezvous',
      FIRSTLIGHT_PORT: '0',
      FIRSTLIGHT_TLS_PORT: 'off',
      FIRSTLIGHT_LOG: 'silent',
      ...trust,
    }),
  )
  service = await startService(config, { load: new Unhurried() })
  client = httpTransport(service.http!)
}

async function stop(): Promise<void> {
  client.close()
  await service.stop()
}

beforeAll(() => start(), PATIENCE_MS)
afterAll(async () => {
  await stop()
  rmSync(folder, { recursive: true })
}, PATIENCE_MS)

/** Hello, and the OwnerSign to send with its token. */
async function prepare(wish: Partial<Parameters<typeof ownerSignOf>[0]> = {}) {
  const { message, authorization } = await client.send({ number: 20, bytes: encode([]) }, undefined)
  const nonce = bodyOf(HelloAck, message.bytes).nonceTO0Sign
  const ownerSign = await ownerSignOf({ voucher, signer: owner, ...wish, nonce })
  const to1d = toHex(bodyOf(OwnerSign, ownerSign.bytes).to1d.bytes)
  return { authorization, ownerSign, to1d, send: () => client.send(ownerSign, authorization) }
}

async function redirection(): Promise<string> {
  const context = { guid: parts.header.guid, signer: device }
  const [effect] = await converse({
    role: to1Device,
    first: beginTo1(context),
    context,
    transport: client.send,
    now: () => new Date(),
  })
  return toHex(effect!.to1d)
}

function codeOf({ message }: Answer): number | undefined {
  return message.number === 255 ? parseErrorMessage(message.bytes).code : undefined
}

describe('the rendezvous over HTTP', { timeout: PATIENCE_MS }, () => {
  it('repeats its answer, changes nothing for a repeat, and none of it across a restart', async () => {
    const { ownerSign, authorization, to1d, send } = await prepare()
    const first = await send()
    expect(first.message.number).toBe(23)
    expect(await send()).toEqual(first)
    await stop()
    await start()
    expect((await client.send(ownerSign, authorization)).message).toEqual(first.message)
    expect(await redirection()).toBe(to1d)
  })

  it('does not go back to an older registration', async () => {
    const old = await prepare()
    const recent = await prepare()
    await recent.send()
    expect(codeOf(await old.send())).toBe(ErrorCode.INVALID_MESSAGE_ERROR)
    expect(await redirection()).toBe(recent.to1d)
  })

  it('does not go back to a former owner', async () => {
    const buyer = await prepare({ voucher: soldOn, signer: nextOwner! })
    expect((await buyer.send()).message.number).toBe(23)
    const seller = await prepare()
    expect(codeOf(await seller.send())).toBe(ErrorCode.INVALID_OWNERSHIP_VOUCHER)
    const thief = await prepare({ voucher: soldOn, signer: manufacturer! })
    expect(codeOf(await thief.send())).toBe(ErrorCode.INVALID_OWNER_SIGN_BODY)
    expect(await redirection()).toBe(buyer.to1d)
  })

  it('takes no token of another protocol, and none that was altered', async () => {
    const { ownerSign, authorization } = await prepare({ voucher: soldOn, signer: nextOwner! })
    const helloRV: Message = {
      number: 30,
      bytes: encode([parts.header.guid, [-7, new Uint8Array()]]),
    }
    const ack = await client.send(helloRV, '')
    for (const token of [ack.authorization, undefined, '', `${authorization}x`, 'Bearer x']) {
      const refused = await client.send(ownerSign, token)
      expect(codeOf(refused)).toBe(ErrorCode.INVALID_JWT_TOKEN)
      expect(refused.authorization).toBeUndefined()
    }
    expect((await client.send(ownerSign, authorization)).message.number).toBe(23)
  })

  it('keeps its tokens short enough for small devices', async () => {
    const { authorization } = await prepare()
    expect(authorization!.length).toBeLessThanOrEqual(512)
  })

  it('trusts the devices of our own authority only, unless told otherwise', async () => {
    await stop()
    await start({})
    const { send } = await prepare({ voucher: soldOn, signer: nextOwner! })
    expect(codeOf(await send())).toBe(ErrorCode.INVALID_OWNERSHIP_VOUCHER)
  })
})
