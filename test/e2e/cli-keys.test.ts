/** `firstlight key`, with key files under a passphrase. Every command is a process. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliWorld, errorDocument } from '../support/cli-world.ts'
import { type KeyFiles, makeKeyFiles } from '../support/key-files.ts'

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
