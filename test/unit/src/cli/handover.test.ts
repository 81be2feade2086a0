/** The commands that prove keys and hand over vouchers, against a service in this process. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { toPem } from '../../../../protocol/x509/pem.ts'
import { keyCommand } from '../../../../src/cli/commands/key.ts'
import { partnerCommand } from '../../../../src/cli/commands/partner.ts'
import { transferCommand } from '../../../../src/cli/commands/transfer.ts'
import { hashOf } from '../../../../src/transfer/secret.ts'
import { ecKey, spkiOf } from '../../../support/certificates.ts'
import { TESTER, openTransferWorld, someVouchers } from '../../../support/transfer-world.ts'
import { partsOf } from '../../../support/vouchers.ts'

const folder = mkdtempSync(join(tmpdir(), 'firstlight-handover-'))
const owners = [partsOf().signers[1] ?? expect.fail()]
const world = await openTransferWorld({ owners })
const model = partsOf().header.deviceInfo
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await world.close()
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  process.exitCode = undefined
})

const file = (name: string, content: string | Uint8Array = '') => {
  const path = join(folder, name)
  if (content !== '') writeFileSync(path, content)
  return path
}

/** What the command prints on stdout, and how it ends. */
async function told(command: Command, ...args: string[]) {
  vi.stubEnv('FIRSTLIGHT_URL', world.url)
  vi.stubEnv('FIRSTLIGHT_TOKEN', 'x')
  process.exitCode = undefined
  const [out, err] = [[] as string[], [] as string[]]
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0)
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => err.push(String(text)) > 0)
  await command.parseAsync(args, { from: 'user' })
  vi.restoreAllMocks()
  return { out: out.join('').trim(), err: err.join(''), status: process.exitCode ?? 0 }
}

const json = async (command: Command, ...args: string[]) =>
  JSON.parse((await told(command, ...args, '--json')).out)

const key = ecKey()
const pem = file('buyer.pem', key.export({ type: 'pkcs8', format: 'pem' }).toString())
const publicPem = file('buyer.pub', toPem('PUBLIC KEY', spkiOf(key)))
const { id: partner } = await json(partnerCommand(), 'add', 'Buyer', '--key', publicPem)
const vouchers = await someVouchers(4)
await world.desk.import(
  vouchers.map(({ bytes }) => bytes),
  TESTER,
)
const guids = vouchers.map((one) => toHex(one.header.value.guid))
const [first = '', second = '', third = '', fourth = ''] = guids

describe('the key of a partner', () => {
  it('is not sold to before it is proven', async () => {
    const { out, status } = await told(transferCommand(), 'send', 'Buyer', first)
    expect([out, status]).toEqual([expect.stringContaining('key-not-proven'), 5])
    expect((await told(partnerCommand(), 'show', partner)).out).toContain('(not proven)')
  })

  it('is proven by openssl, or by firstlight itself', async () => {
    const challenge = file('challenge.txt')
    const asked = await told(partnerCommand(), 'challenge', 'Buyer', '--out', challenge)
    expect(asked.err).toContain('openssl dgst -sha256 -sign')
    const signature = execFileSync('openssl', ['dgst', '-sha256', '-sign', pem, challenge])
    const proof = [challenge, file('signature', signature)]
    const proven = await told(partnerCommand(), 'prove', 'Buyer', ...proof)
    expect(proven.out).toMatch(/^Buyer has proven to hold [0-9a-f]{64}$/)
    const signed = await told(keyCommand(), 'prove', '--key', pem, challenge)
    const base64 = file('signature.txt', `${signed.out}\n`)
    expect((await told(partnerCommand(), 'prove', partner, challenge, base64)).status).toBe(0)
    expect((await told(partnerCommand(), 'show', partner)).out).toContain('(proven 2026-')
  })

  it('is named where it is not clear which', async () => {
    const { err, status } = await told(partnerCommand(), 'challenge', 'Buyer')
    expect([err, status]).toEqual([expect.stringMatching(/no such key[^]*--key, one of: p256/), 2])
    expect((await told(partnerCommand(), 'challenge', 'Nobody')).status).toBe(3)
    const { keys } = await json(partnerCommand(), 'show', partner)
    const named = await json(partnerCommand(), 'challenge', 'Buyer', '--key', keys[0].fingerprint)
    expect(named).toMatchObject({ partner, kind: 'p256', fingerprint: keys[0].fingerprint })
    const other = file('other.pem', ecKey().export({ type: 'pkcs8', format: 'pem' }).toString())
    const asked = file('asked.txt', named.challenge)
    const wrong = await told(keyCommand(), 'prove', '--key', other, asked)
    expect([wrong.err, wrong.status]).toEqual([expect.stringContaining('is not the key'), 5])
    expect((await told(keyCommand(), 'prove', '--key', pem, pem)).err).toContain('no challenge')
  })

  it('is proven by the service, where that has it', async () => {
    const [ours] = world.owners
    const fingerprint = hashOf(ours?.key.spki ?? expect.fail())
    const asked = file('ours.txt', `firstlight-key-proof-1:${fingerprint}:x`)
    expect((await told(keyCommand(), 'prove', asked)).out).toMatch(/^[\w+/]{80,}=*$/)
    const strange = file('strange.txt', `firstlight-key-proof-1:${'0'.repeat(64)}:x`)
    const { err, status } = await told(keyCommand(), 'prove', strange)
    expect([err, status]).toEqual([expect.stringContaining('there is no owner key'), 3])
  })
})

describe('vouchers', () => {
  it('are handed over by name, by a list, and by their model', async () => {
    const list = file('guids.txt', `${second}\n${first}\n`)
    const sent = await json(transferCommand(), 'send', 'Buyer', first, '--file', list)
    expect(sent).toMatchObject([
      { guid: first, ok: true, detail: null },
      { guid: second, ok: true, detail: null },
    ])
    const { out, status } = await told(transferCommand(), 'send', 'Buyer', '--model', model)
    expect([out.match(/handed over/g)?.length, status]).toEqual([2, 0])
    expect(out).toContain(third)
    expect(out).toContain(fourth)
  })

  it('are those that somebody names', async () => {
    for (const which of [[], ['--model', 'none']]) {
      const { err, status } = await told(transferCommand(), 'send', 'Buyer', ...which)
      expect([err, status]).toEqual([expect.stringContaining('name them by GUID'), 2])
    }
  })

  it('are sent some at a time, each with its result', async () => {
    const many = Array.from({ length: 501 }, (_, i) => `ff${i.toString(16).padStart(30, '0')}`)
    const list = file('many.txt', [...many, first].join('\n'))
    const { out, err, status } = await told(
      ...([transferCommand(), 'send', 'Buyer', '--file', list, '--json'] as const),
    )
    const results = JSON.parse(out) as { ok: boolean; detail: string }[]
    expect([results.length, status]).toEqual([502, 5])
    expect(results.filter(({ ok }) => ok)).toMatchObject([{ detail: 'handed over already' }])
    expect(err).toContain('handing over: 502')
  })

  it('go to no party that is not there', async () => {
    const { err, status } = await told(transferCommand(), 'send', 'acme', first, '--party')
    expect([err, status]).toEqual([expect.stringContaining('no party acme'), 3])
  })
})

describe('rules', () => {
  const rule = (...args: string[]) => told(transferCommand(), 'rule', ...args)

  it('are added, listed and removed', async () => {
    const made = await json(transferCommand(), 'rule', 'add', 'Buyer', '--model', 'Router 9')
    expect(made).toMatchObject({ model: 'Router 9', partner })
    expect((await rule('add', 'Buyer', '--any-model')).out).toContain('(any other)')
    expect((await rule('list')).out).toMatch(new RegExp(`${made.id} +Router 9 +${partner}`))
    expect((await rule('remove', made.id)).out).toBe(`removed ${made.id}`)
    expect((await rule('list')).out).not.toContain(made.id)
    expect((await rule('add', 'b', '--any-model', '--party')).status).toBe(3)
  })

  it('are about one model, or any', async () => {
    for (const which of [[], ['--model', 'x', '--any-model']]) {
      const { err, status } = await rule('add', 'Buyer', ...which)
      expect([err, status]).toEqual([expect.stringContaining('of which model?'), 2])
    }
  })
})
