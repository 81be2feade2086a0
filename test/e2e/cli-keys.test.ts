/** `firstlight key`, with key files under a passphrase. Every command is a process. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliWorld, errorDocument } from '../support/cli-world.ts'
import { type KeyFiles, makeKeyFiles } from '../support/key-files.ts'
import { firstlight } from '../support/programs.ts'

let world: CliWorld
let files: KeyFiles
beforeAll(async () => {
  files = makeKeyFiles()
  world = await CliWorld.start()
})
afterAll(async () => {
  files.remove()
  await world.end()
})

describe('firstlight key import', () => {
  it('takes PKCS#12, its passphrase in a file', async () => {
    const file = world.file('owner.p12')
    writeFileSync(file, files.pkcs12())
    const bare = await world.asked('key', 'import', file)
    expect(bare).toMatchObject({ status: 3, json: errorDocument('invalid-request') })
    writeFileSync(world.file('wrong'), 'wrong\n')
    const wrong = await world.asked('key', 'import', file, '--passphrase-file', world.file('wrong'))
    expect(wrong).toMatchObject({ status: 3, json: errorDocument('invalid-request') })

    const right = ['--passphrase-file', join(files.folder, 'passphrase')]
    const added = await world.told('key', 'import', file, ...right)
    const public_key = Buffer.from(files.spki, 'hex').toString('base64')
    expect(added).toMatchObject({ purpose: 'owner', type: 'p256', public_key })
    writeFileSync(world.file('owner.pem'), files.key)
    expect(await world.told('key', 'import', world.file('owner.pem'))).toEqual(added)
  })
})

interface Key {
  readonly id: string
  readonly purpose: string
  readonly type: string
  readonly state: string
}

describe('firstlight key', () => {
  const active = async () => {
    const keys = await world.told<readonly Key[]>('key', 'list')
    const isIt = ({ purpose, type, state }: Key) => `${purpose} ${type} ${state}`
    return keys.find((key) => isIt(key) === 'owner p384 active') ?? expect.fail()
  }

  it('rotates a key, shows which is in use in 80 columns, and removes what is not', async () => {
    const { id } = await active()
    const { status, stdout, stderr } = await firstlight(['key', 'rotate', id], world.local)
    const next = await active()
    expect([status, stdout]).toEqual([0, `${next.id} is used in the place of ${id}\n`])
    expect(stderr).toContain('partners')
    expect(await world.asked('key', 'rotate', id)).toMatchObject({
      status: 3,
      json: errorDocument('conflict'),
    })
    const shown = (await firstlight(['key', 'list'], world.local)).stdout.trimEnd().split('\n')
    expect(shown[0]).toMatch(/^PURPOSE +TYPE +STATE +HELD +ID$/)
    expect(shown.find((line) => line.endsWith(id))).toMatch(/ p384 +retired \d{4}-\d\d-\d\d +0 +/)
    expect(Math.max(...shown.map((line) => line.length))).toBeLessThanOrEqual(80)

    for (const name of [id, next.id]) {
      expect(await world.asked('key', 'remove', name)).toMatchObject({
        status: 3,
        json: errorDocument('conflict'),
      })
    }
    const { key } = world.pemKeys('spare')
    const spare = await world.told<Key>('key', 'import', key)
    const removed = await world.told('key', 'remove', spare.id)
    expect(removed).toEqual({ id: spare.id, removed: true })
  })

  it('makes the first of a kind, and says what there is', async () => {
    const make = (...args: string[]) => world.asked('key', 'make', ...args)
    expect(await make('--purpose', 'owner', '--type', 'p384')).toMatchObject({
      status: 3,
      json: errorDocument('conflict'),
    })
    for (const [purpose, type] of [
      ['device-ca', 'p256'],
      ['owner', 'p521'],
    ] as const) {
      expect(await make('--purpose', purpose, '--type', type)).toMatchObject({
        status: 2,
        json: errorDocument('usage'),
      })
    }
    const invite = ['party', 'invite', 'acme', '--role', 'owner']
    writeFileSync(world.file('code'), (await firstlight(invite, world.local)).stdout)
    await world.told('party', 'join', world.file('code'), '--out', world.file('acme.token'))
    const theirs = ['--token-file', world.file('acme.token'), '--purpose', 'owner']
    const made = await make(...theirs, '--type', 'rsa2048')
    expect(made).toMatchObject({ status: 0, json: { type: 'rsa2048', state: 'active' } })
  })
})
