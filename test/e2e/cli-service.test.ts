/** What scripts rely on: which service a command calls, and when it trusts it. */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import { certificateOf, ecKey } from '../support/certificates.ts'
import { CliWorld, errorDocument } from '../support/cli-world.ts'
import { ServeProcess, firstlight } from '../support/programs.ts'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.start()
})
afterAll(() => world.end())

describe('the service that a command calls', () => {
  const keys = ['key', 'list', '--json']
  const isDone = { status: 0, json: expect.any(Array) }
  const isDoubted = { status: 4, json: errorDocument('certificate') }

  it('is trusted over HTTPS by the CA it is given', async () => {
    const FIRSTLIGHT_URL = String(world.ready.https)
    const FIRSTLIGHT_TOKEN_FILE = join(world.server.folder, 'admin.token')
    const ca = join(world.server.folder, 'ca.pem')
    const elsewhere = { FIRSTLIGHT_URL, FIRSTLIGHT_TOKEN_FILE }
    expect(await firstlight(keys, elsewhere)).toMatchObject(isDoubted)
    expect(await firstlight(keys, { ...elsewhere, FIRSTLIGHT_CA: ca })).toMatchObject(isDone)
    expect(await firstlight([...keys, '--ca', ca], elsewhere)).toMatchObject(isDone)
    const flags = ['--url', FIRSTLIGHT_URL, '--token-file', FIRSTLIGHT_TOKEN_FILE, '--ca', ca]
    expect(await firstlight([...keys, ...flags])).toMatchObject(isDone)

    const stranger = certificateOf({ key: ecKey(), subject: 'another CA', isCa: true })
    writeFileSync(world.file('other-ca.pem'), certificatesToPem([stranger]))
    const withOther = { ...elsewhere, FIRSTLIGHT_CA: world.file('other-ca.pem') }
    expect(await firstlight(keys, withOther)).toMatchObject(isDoubted)
    expect(await firstlight([...keys, '--ca', ca], withOther)).toMatchObject(isDone)
  })

  it('is told from any other that answers', async () => {
    const other = createServer((_, answer) => answer.end('<p>Welcome</p>'))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
    const { status, json } = await firstlight([...keys, '--url', url], world.local)
    expect({ status, json }).toEqual({ status: 4, json: errorDocument('not-firstlight') })
    other.close()
  })

  it('is found on its own machine by its own variables', async () => {
    const other = new ServeProcess(world.file('secure'), 0, {
      FIRSTLIGHT_PORT: 'off',
      FIRSTLIGHT_TLS_PORT: '0',
    })
    const { http, https } = await other.start()
    expect(http).toBeNull()
    const variables = {
      FIRSTLIGHT_DATA: world.file('secure'),
      FIRSTLIGHT_PORT: 'off',
      FIRSTLIGHT_TLS_PORT: new URL(String(https)).port,
    }
    expect(await firstlight(keys, variables)).toMatchObject(isDone)
    await other.stop()
  })
})
