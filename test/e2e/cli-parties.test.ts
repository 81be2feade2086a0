/** `firstlight party`, as a person and a script use it. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliWorld, errorDocument } from '../support/cli-world.ts'
import { firstlight } from '../support/programs.ts'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.start()
})
afterAll(() => world.end())

describe('firstlight party', () => {
  it('brings an organisation in by a code, and out of sight of the others', async () => {
    const { code } = await world.told<{ code: string }>(
      ...['party', 'invite', 'buyer', '--role', 'owner', 'reseller', '--ttl', '1h'],
    )
    const [codeFile, tokenFile] = [world.file('code'), world.file('buyer.token')]
    writeFileSync(codeFile, `${code}\n`)
    // On a machine that has no token at all.
    const join = [
      'party',
      'join',
      codeFile,
      '--out',
      tokenFile,
      '--url',
      world.server.url,
      '--json',
    ]
    const { json: joined } = await firstlight(join, { FIRSTLIGHT_DATA: world.file('nowhere') })
    expect(joined).toMatchObject({ party: { name: 'buyer', roles: ['owner', 'reseller'] } })
    expect(readFileSync(tokenFile, 'utf8')).toMatch(/^fdoa_\w+/)
    expect(statSync(tokenFile).mode & 0o777).toBe(0o600)
    const mine = await world.told('party', 'show', '--token-file', tokenFile)
    expect(mine).toMatchObject({ name: 'buyer' })
    const denied = await world.asked('party', 'list', '--token-file', tokenFile)
    expect(denied).toMatchObject({ status: 6, json: errorDocument('not-permitted') })
    expect(await world.told('party', 'invitations')).toMatchObject([{ used_by: mine['id'] }])
  })

  it('is told in tables, too', async () => {
    const told = await firstlight(['party', 'list'], world.local)
    expect(told.stdout).toMatch(/^ID +NAME +SUSPENDED +ROLES\n/)
    expect((await firstlight(['party', 'rename', 'acme'], world.local)).stdout).toMatch(
      /name +acme/,
    )
    const invited = await firstlight(['party', 'invite', 'x', '--role', 'owner'], world.local)
    expect(invited.stdout).toMatch(/^fdoi_\w+/)
    const listed = await firstlight(['party', 'invitations'], world.local)
    const [id = ''] = /fdoi_[0-9a-f]{16}(?=  x )/.exec(listed.stdout) ?? []
    expect(await world.told('party', 'withdraw', id)).toEqual({ id, withdrawn: true })
  })

  it('says whose vouchers it takes in, and takes the same document back', async () => {
    const policy = await world.told('voucher', 'trust')
    expect(policy).toMatchObject({ device_cas: 'default', is_default: true })
    writeFileSync(world.file('trust.json'), JSON.stringify({ ...policy, rsa2048: false }))
    const changed = await world.told('voucher', 'trust', '--set', world.file('trust.json'))
    expect(changed).toMatchObject({ rsa2048: false, is_default: false })
    writeFileSync(world.file('trust.json'), 'no JSON')
    const refused = await world.asked('voucher', 'trust', '--set', world.file('trust.json'))
    expect(refused).toMatchObject({ status: 1, json: errorDocument('file') })
  })

  it('suspends and resumes', async () => {
    const parties = await world.told<{ id: string; name: string }[]>('party', 'list')
    const id = parties.find(({ name }) => name === 'buyer')?.id ?? expect.fail()
    expect(await world.told('party', 'suspend', id)).toMatchObject({
      suspended_at: expect.any(String),
    })
    expect(await world.told('party', 'resume', id)).toMatchObject({ suspended_at: null })
  })

  it('says what a code looks like', async () => {
    writeFileSync(world.file('wrong'), 'hello')
    const told = await world.asked('party', 'join', world.file('wrong'))
    expect(told).toMatchObject({ status: 2, json: errorDocument('usage') })
  })
})
