/** The commands around partners, in this process, against a service in this process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { toPem } from '../../../../protocol/x509/pem.ts'
import { inboxCommand } from '../../../../src/cli/commands/inbox.ts'
import { partnerCommand } from '../../../../src/cli/commands/partner.ts'
import { transferCommand } from '../../../../src/cli/commands/transfer.ts'
import { hashOf } from '../../../../src/transfer/secret.ts'
import { PARTY, openTrade, someVouchers } from '../../../support/transfer-world.ts'

const folder = mkdtempSync(join(tmpdir(), 'firstlight-transfer-'))
const trade = await openTrade()
const { seller, buyer } = trade
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await trade.close()
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  process.exitCode = undefined
})

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** What the command prints, as text and, with --json, as the document. */
async function told(at: { url: string }, command: Command, ...args: string[]) {
  vi.stubEnv('FIRSTLIGHT_URL', at.url)
  vi.stubEnv('FIRSTLIGHT_TOKEN', 'x')
  let out = ''
  const keep = (text: string | Uint8Array) => ((out += String(text)), true)
  vi.spyOn(process.stdout, 'write').mockImplementation(keep)
  vi.spyOn(process.stderr, 'write').mockImplementation(keep)
  await command.parseAsync(args, { from: 'user' })
  vi.restoreAllMocks()
  return out.trim()
}

const json = async (at: { url: string }, command: Command, ...args: string[]) =>
  JSON.parse((await told(at, command, ...args, '--json')).split('\n')[0] ?? '')

describe('firstlight partner, inbox and transfer', () => {
  it('carry a voucher from its seller to its buyer', async () => {
    const { token, id } = await json(buyer, inboxCommand(), 'create', 'Seller')
    expect(await told(buyer, inboxCommand(), 'list')).toContain(id)
    const partner = await json(
      ...[seller, partnerCommand(), 'add', 'Buyer'],
      ...['--push-url', `${buyer.base}/api/v1/vouchers`],
      ...['--show-token-file', file('token', `${token}\n`)],
    )
    const [voucher] = await someVouchers(1)
    const { guid, cbor } = await trade.sell(voucher ?? expect.fail())
    const job = { party: PARTY, partner: partner.id, guid, voucherHash: hashOf(cbor) }
    await seller.database.commit((tx) => seller.transfer.pushes.enqueue(tx, job))
    seller.transfer.start()
    const list = () => json(seller, transferCommand(), 'list', '--guid', guid)
    const [sent] = await seller.until(list, ([one]) => one.state !== 'waiting')
    expect(sent.state).toBe('delivered')
    expect(await told(seller, transferCommand(), 'show', sent.id)).toMatch(/state +delivered/)
    expect(await told(seller, transferCommand(), 'retry', sent.id)).toMatch(/state +delivered/)

    const [got] = await json(seller, transferCommand(), 'receipts', guid)
    const files = [file('voucher', cbor), file('receipt', got.receipt)]
    expect(await json(seller, transferCommand(), 'verify-receipt', ...files)).toEqual({
      received_at: buyer.clock.now().toISOString(),
      sender: 'Seller',
    })
    const other = [file('other', voucher?.bytes ?? expect.fail()), files[1] ?? '']
    expect(await told(seller, transferCommand(), 'verify-receipt', ...other)).toMatch(/^error: /)
    expect(await told(buyer, inboxCommand(), 'revoke', id)).toBe(`revoked ${id}`)
  })

  it('pull what a partner holds and has not pushed, once and by schedule', async () => {
    const [, voucher] = await someVouchers(2)
    await trade.sell(voucher ?? expect.fail())
    const key = file('seller.pem', toPem('PUBLIC KEY', trade.sellersKey.key.spki))
    const { id } = await json(
      ...[buyer, partnerCommand(), 'add', 'Seller'],
      ...['--pull-url', `${seller.base}/api/v1/pull/vouchers`, '--key', key],
    )
    expect(await told(buyer, transferCommand(), 'pull', id)).toBe(
      '1 taken in, 1 known before, 0 failed',
    )
    expect(await told(buyer, transferCommand(), 'pull', 'Seller')).toBe(
      '0 taken in, 2 known before, 0 failed',
    )
    const every = (time: string) =>
      told(buyer, transferCommand(), 'schedule', 'Seller', '--every', time)
    expect(await every('1h')).toBe('Seller: 1h')
    expect(await told(buyer, transferCommand(), 'sources')).toContain('3600 s')
    expect(await every('never')).toBe('Seller: if asked')
    expect(await told(buyer, partnerCommand(), 'show', 'Seller')).toMatch(/key +p256 /)
    expect(await told(buyer, partnerCommand(), 'show', id)).toMatch(/name +Seller/)
    expect(await told(buyer, partnerCommand(), 'show', 'Nobody')).toMatch(/there is no partner/)
    expect(await json(buyer, transferCommand(), 'list', '--partner', 'Seller')).toEqual([])
    const did = 'did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169'
    const replaced = await json(buyer, partnerCommand(), 'replace', 'Seller', 'Maker', '--key', did)
    expect(replaced).toMatchObject({ name: 'Maker', pull_url: null })
    expect(await told(buyer, transferCommand(), 'pull', id)).toMatch(/no address to pull from/)
    expect(await told(buyer, partnerCommand(), 'remove', 'Maker')).toBe(`removed ${id}`)
    expect(await told(buyer, partnerCommand(), 'list')).not.toContain(id)
  })

  it('say how partners find us', async () => {
    const did = /did:web:127\.0\.0\.1%3A\d+:parties:fdop_acme/
    const profile = (...args: string[]) => told(seller, transferCommand(), 'profile', ...args)
    expect(await profile('--public')).toMatch(did)
    expect(await profile()).not.toContain('not public')
    expect(await profile('--private')).toContain('(not public)')
    expect(await profile('--private', '--public')).toMatch(/one of them/)
  })

  it('say which file cannot be read', async () => {
    const args = ['add', 'X', '--key', join(folder, 'nowhere')]
    expect(await told(seller, partnerCommand(), ...args)).toMatch(/nowhere cannot be read/)
  })
})
