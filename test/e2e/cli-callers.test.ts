/** `firstlight client` and `firstlight identity-provider`, as a person and a script use them. */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toPem } from '../../protocol/x509/pem.ts'
import { basic, programKey } from '../support/callers.ts'
import { certificateOf, ecKey } from '../support/certificates.ts'
import { CliWorld, errorDocument } from '../support/cli-world.ts'
import { type OwnProvider, ownProvider } from '../support/identity-providers.ts'
import { firstlight } from '../support/programs.ts'

interface Made {
  readonly client_id: string
  readonly client_secret: string
}

const AUDIENCE = 'https://fdo.acme.example'
let world: CliWorld
let provider: OwnProvider
beforeAll(async () => {
  provider = await ownProvider(AUDIENCE)
  world = await CliWorld.start()
})
afterAll(async () => {
  await world.end()
  await provider.close()
})

describe('firstlight client', () => {
  const add = ['client', 'add', '--name', 'erp', '--scope', 'voucher:read,device:read']

  it('registers a program with a secret, which gets it a token', async () => {
    const { client_id, client_secret } = await world.told<Made>(...add, '--secret')
    const body = new URLSearchParams({ grant_type: 'client_credentials' })
    const headers = basic(client_id, client_secret)
    const ask = () => fetch(`${world.server.url}/oauth/token`, { method: 'POST', body, headers })
    const { access_token } = (await (await ask()).json()) as { access_token: string }
    writeFileSync(world.file('token'), access_token)
    const listed = await world.told('voucher', 'list', '--token-file', world.file('token'))
    expect(listed).toEqual([])
    expect(await world.told('client', 'disable', client_id)).toMatchObject({
      disabled_at: expect.any(String),
    })
    expect((await ask()).status).toBe(401)
    await world.told('client', 'enable', client_id)
    expect((await ask()).status).toBe(200)
    const rotated = await world.told<Made>('client', 'rotate', client_id)
    expect(rotated.client_secret).not.toBe(client_secret)
    expect((await ask()).status).toBe(401)
    expect(await world.told('client', 'remove', client_id)).toEqual({ client_id, removed: true })
  })

  it('registers keys and certificates from files', async () => {
    const { jwk } = await programKey()
    writeFileSync(world.file('jwks.json'), JSON.stringify({ keys: [jwk] }))
    const key = ecKey()
    const certificate = toPem('CERTIFICATE', certificateOf({ key, subject: 'erp', isCa: true }))
    writeFileSync(world.file('cert.pem'), certificate)
    const methodOf = async (...options: string[]) =>
      (await world.told<{ auth: object }>(...add, ...options)).auth
    expect(await methodOf('--jwks', world.file('jwks.json'))).toMatchObject({
      jwks: { keys: [{ kid: jwk['kid'] }] },
    })
    expect(await methodOf('--jwks-uri', 'https://erp.example/keys')).toMatchObject({
      jwks_uri: 'https://erp.example/keys',
    })
    expect(await methodOf('--certificate', world.file('cert.pem'))).toMatchObject({
      thumbprints: [expect.stringMatching(/^[\w-]{43}$/)],
    })
    const issued = ['--client-ca', world.file('cert.pem'), '--dns', 'erp.example']
    expect(await methodOf(...issued)).toMatchObject({ san_dns: 'erp.example' })
  })

  it('is told in tables, too', async () => {
    const added = await firstlight([...add, '--secret'], world.local)
    expect(added.stdout).toMatch(/^client id +fdom_\w+\nsecret +fdoc_/)
    expect(added.stderr).toContain('keep the secret')
    const listed = await firstlight(['client', 'list'], world.local)
    expect(listed.stdout).toMatch(/^CLIENT ID +NAME +METHOD +DISABLED +SCOPES\n/)
  })

  it('says how to name the way a program proves itself', async () => {
    writeFileSync(world.file('no.json'), 'x')
    for (const options of [
      [],
      ['--secret', '--jwks-uri', 'https://erp.example'],
      ['--jwks', world.file('no.json')],
      ['--certificate', world.file('no.json')],
    ]) {
      const told = await world.asked(...add, ...options)
      expect(told).toMatchObject({ status: 2, json: errorDocument('usage') })
    }
  })
})

describe('firstlight identity-provider', () => {
  const add = () => [
    ...['identity-provider', 'add', '--name', 'acme', '--issuer', provider.issuer],
    ...['--audience', AUDIENCE, '--claim', 'realm_access.roles'],
  ]

  it('lets people call with the tokens they have, and explains those that are no good', async () => {
    const roles = ['--role', 'fdo-auditors=auditor', 'fdo-auditors=voucher:sell']
    const { id } = await world.told<{ id: string }>(...add(), ...roles)
    expect(await world.told('identity-provider', 'list')).toMatchObject([
      { id, roles: { 'fdo-auditors': ['auditor', 'voucher:sell'] } },
    ])
    writeFileSync(world.file('good'), await provider.token())
    writeFileSync(world.file('bad'), await provider.token({ aud: 'x' }))
    expect(await world.told('voucher', 'list', '--token-file', world.file('good'))).toEqual([])
    const tested = ['identity-provider', 'test', id, '--token']
    expect(await world.told(...tested, world.file('good'))).toMatchObject({ accepted: true })
    const told = await firstlight([...tested, world.file('good')], world.local)
    expect(told.stdout).toMatch(/^accepted as +oidc:/)
    expect(await world.asked(...tested, world.file('bad'))).toMatchObject({
      status: 5,
      json: errorDocument('token-refused'),
    })
    const listed = await firstlight(['identity-provider', 'list'], world.local)
    expect(listed.stdout).toMatch(/^ID +NAME +ISSUER +AUDIENCE +CLAIM +ROLES\nfdoo_/)
    await world.told('identity-provider', 'remove', id)
    const denied = await world.asked('voucher', 'list', '--token-file', world.file('good'))
    expect(denied).toMatchObject({ status: 6, json: errorDocument('not-authenticated') })
  })

  it('says what a role looks like', async () => {
    for (const role of ['auditor', '=auditor', 'a=']) {
      const told = await world.asked(...add(), '--role', role)
      expect(told).toMatchObject({ status: 2, json: errorDocument('usage') })
    }
  })
})
