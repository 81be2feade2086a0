/** A device whose voucher was signed by the draft of go-fdo: registered, onboarded and resold here. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_TYPE, X509 } from '../../protocol/crypto/public-key.ts'
import { extendVoucher } from '../../protocol/voucher/extend.ts'
import { verifyVoucher } from '../../protocol/voucher/verify.ts'
import { parseVoucher } from '../../protocol/voucher/voucher.ts'
import { HOME_PARTY } from '../../src/database/tables.ts'
import { type Desk, install, introduce, pull } from '../support/installations.ts'
import { PATIENCE_MS } from '../support/service.ts'
import { deviceIn, make, powerUp, rearm } from '../support/simulated.ts'

const folder = mkdtempSync(join(tmpdir(), 'entry-style-'))
const device = deviceIn(folder, 'tagged')
let maker: Desk
let owner: Desk
let nextOwner: Desk

beforeAll(async () => {
  maker = await install({ FIRSTLIGHT_FIRST_OWNER: 'none' })
  const buyer = { FIRSTLIGHT_ROLES: 'owner', FIRSTLIGHT_TRUST: 'any', FIRSTLIGHT_TLS_PORT: '0' }
  owner = await install(buyer)
  nextOwner = await install(buyer)
  const { directives } = await maker.must<{ directives: object[] }>('GET', '/rendezvous-info')
  for (const desk of [owner, nextOwner]) await desk.must('PUT', '/rendezvous-info', { directives })
}, PATIENCE_MS)
afterAll(async () => {
  for (const desk of [maker, owner, nextOwner]) await desk.service.remove()
  rmSync(folder, { recursive: true })
}, PATIENCE_MS)

const styleIn = async (desk: Desk, guid: string) =>
  verifyVoucher(await desk.voucher(guid), { entryStyle: 'either' })

describe('a device sold with tagged entries', { timeout: PATIENCE_MS }, () => {
  let guid: string

  it('is taken in, registered and onboarded', async () => {
    const made = await make(maker.url, 'tagged', device)
    const signer = await maker.service.service.services.keyStore
      .ring(HOME_PARTY)
      .signer('manufacturer', 'p256')
    const { key } = await owner.ownerSigner()
    const to = { type: DEFAULT_TYPE[key.kind], encoding: X509, key } as const
    const unsold = await maker.voucher(made)
    const sold = await extendVoucher(unsold, signer, to, { entryStyle: 'tagged' })
    expect(await owner.take(parseVoucher(sold))).toMatchObject({ ok: true })
    await owner.untilRegistered(made)
    const done = await powerUp(device)
    expect(done).toMatchObject({ result: 'onboarded', previous_guid: made, message: null })
    guid = done.guid
  })

  it('is sold on in the style that it can verify, and onboards there', async () => {
    await introduce(nextOwner, owner)
    expect(await owner.sell(guid, await nextOwner.ownerKey())).toMatchObject({ status: 200 })
    expect(await pull(nextOwner, owner)).toMatchObject({ taken: 1, failed: [] })
    expect(await styleIn(nextOwner, guid)).toEqual({ entryStyle: 'tagged' })
    await nextOwner.untilRegistered(guid)
    rearm(device)
    expect(await powerUp(device)).toMatchObject({ result: 'onboarded', previous_guid: guid })
  })
})
