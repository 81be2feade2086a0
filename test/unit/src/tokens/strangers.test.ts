/** Credentials of our own authority that nothing here knows of. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Bytes } from '../../../../protocol/bytes.ts'
import { silentLog } from '../../../../src/log.ts'
import type { UnrecordedCertificate } from '../../../../src/pki/service.ts'
import { Strangers } from '../../../../src/tokens/strangers.ts'
import { certificateOf, ecKey } from '../../../support/certificates.ts'
import { type TestPki, onboard, openTestPki } from '../../../support/pki.ts'

const DEVICE = 'fdod_aaaaaaaaaaaaaaaaaaaaaaaaaa'
let world: TestPki
let noted: UnrecordedCertificate[]
let strangers: Strangers
beforeEach(async () => {
  world = await openTestPki()
  noted = []
  const { pki } = world
  const noteStranger = async (one: UnrecordedCertificate) => void noted.push(one)
  strangers = new Strangers({ pki, noteStranger, log: silentLog })
})
afterEach(() => world.database.close())

const forgetCertificates = () =>
  world.database.db.deleteFrom('certificate').where('profile', '=', 'ldevid').execute()

/** As after a restoration from before it was issued. */
async function lost(): Promise<Bytes> {
  const { certificate } = await onboard(world, DEVICE)
  await forgetCertificates()
  return certificate
}

describe('a credential that was signed here and is not known', () => {
  it('is noted with its device, once however often it is shown', async () => {
    const certificate = await lost()
    await strangers.look(certificate)
    await strangers.look(certificate)
    expect(noted).toMatchObject([
      { deviceId: DEVICE, serial: expect.stringMatching(/^[0-9a-f]+$/) },
    ])
  })

  it('is not one that is known, whatever its state', async () => {
    const { certificate } = await onboard(world, DEVICE)
    await onboard(world, DEVICE, 'a later run')
    await strangers.look(certificate)
    expect(noted).toEqual([])
  })

  it('is not one that has ended', async () => {
    const certificate = await lost()
    world.clock.advance(400 * 86_400_000)
    await strangers.look(certificate)
    expect(noted).toEqual([])
  })

  it('is none of another authority, of the listener, or of nobody', async () => {
    const other = await openTestPki()
    const { certificate } = await onboard(other, DEVICE)
    await strangers.look(certificate)
    await other.database.close()
    await strangers.look(certificateOf({ key: ecKey(), subject: DEVICE }))
    await world.pki.issueServerCertificate(['localhost'])
    const server = await world.database.db
      .selectFrom('certificate')
      .select('der')
      .where('profile', '=', 'tls-server')
      .executeTakeFirstOrThrow()
    await world.database.db.deleteFrom('certificate').where('profile', '=', 'tls-server').execute()
    await strangers.look(server.der)
    await strangers.look(new Uint8Array([1, 2, 3]))
    expect(noted).toEqual([])
  })

  it('keeps nobody from being answered where it cannot be noted', async () => {
    const noteStranger = () => Promise.reject(new Error('no database'))
    const failing = new Strangers({ pki: world.pki, noteStranger, log: silentLog })
    await failing.look(await lost())
  })
})
