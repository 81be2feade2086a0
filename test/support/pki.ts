/** A certificate authority in memory, with a clock that stands still and keys of its own. */
import { type KeyObject, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import { type Signer, signerOf } from '../../protocol/crypto/signer.ts'
import { FakeClock } from '../../src/clock.ts'
import { type Database, openDatabase } from './database.ts'
import { Pki, type PkiServices } from '../../src/pki/service.ts'

export interface TestPki {
  readonly pki: Pki
  readonly services: PkiServices
  readonly database: Database
  readonly clock: FakeClock
}

export function p256(): { privateKey: KeyObject; spki: Bytes } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { privateKey, spki: publicKey.export({ type: 'spki', format: 'der' }) }
}

/** One key for each purpose, made when it is first asked for. */
export function memoryKeys() {
  const signers = new Map<string, Signer>()
  return {
    async signer(purpose: string): Promise<Signer> {
      const signer = signers.get(purpose) ?? signerOf(p256().privateKey)
      signers.set(purpose, signer)
      return signer
    },
  }
}

export async function openTestPki(overrides: Partial<PkiServices> = {}): Promise<TestPki> {
  const clock = new FakeClock()
  const database = overrides.database ?? (await openDatabase(':memory:'))
  const services: PkiServices = {
    now: () => clock.now(),
    randomBytes,
    keys: memoryKeys(),
    ...overrides,
    database,
  }
  return { pki: await Pki.open(services), services, database, clock }
}

/** A credential as a device has it after TO2: in force unless `runId` is left open. */
export async function onboard(
  { pki, database }: Pick<TestPki, 'pki' | 'database'>,
  deviceId: string,
  runId = `run of ${deviceId}`,
): Promise<{
  readonly privateKey: KeyObject
  readonly certificate: Bytes
  readonly chain: readonly Bytes[]
}> {
  const { privateKey, spki } = p256()
  const { certificate, intermediates } = await pki.issueLdevid({ deviceId, runId }, spki)
  await database.commit((tx) => pki.activateCertificates(tx, { deviceId, runId }))
  return { privateKey, certificate, chain: [certificate, ...intermediates] }
}

/** Devices by id, each of its party. */
export async function addDevices(
  { db }: Database,
  parties: Readonly<Record<string, string>>,
): Promise<void> {
  const stamps = { created_at: '', updated_at: '' }
  for (const [id, party] of Object.entries(parties)) {
    const group = { party, name: 'g', scopes: '', ...stamps }
    await db
      .insertInto('device_group')
      .values(group)
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    const device = { id, party, guid: id, serial: null, model: 'm', group_name: 'g', ...stamps }
    const state = { state: 'owned', last_error: null, onboarded_at: null } as const
    await db
      .insertInto('device')
      .values({ ...device, ...state })
      .execute()
  }
}
