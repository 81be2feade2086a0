/** Keys that are held elsewhere, in the rings of the parties their labels name. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hash } from 'node:crypto'
import { FakeClock } from '../../../../src/clock.ts'
import { type Database, openDatabase } from '../../../support/database.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import type { ExternalKey } from '../../../../src/secrets/external-keys.ts'
import { KeyStore } from '../../../../src/secrets/key-store.ts'
import { Sealer } from '../../../../src/secrets/seal.ts'
import { partsOf } from '../../../support/vouchers.ts'

const { signers } = partsOf()
let database: Database
beforeEach(async () => {
  database = await openDatabase(':memory:')
})
afterEach(() => database.close())

async function openWith(...labels: string[]) {
  const keys: ExternalKey[] = labels.map((label, i) => {
    const { spki, kind } = signers[i]?.key ?? expect.fail()
    return { id: `fdot_${i}`, label, kind, spki, fingerprint: hash('sha256', spki, 'hex') }
  })
  let stopped = false
  const external = {
    list: () => keys,
    signer: (id: string) => signers[keys.findIndex((key) => key.id === id)] ?? expect.fail(),
    stop: async () => void (stopped = true),
  }
  const sealer = new Sealer(new Uint8Array(32).fill(1))
  const store = await KeyStore.open({ database, clock: new FakeClock(), sealer, external })
  return { store, keys, isStopped: () => stopped }
}

describe('a key in a token', () => {
  it('is the party’s that its label names, or else the first one’s', async () => {
    const { store, keys } = await openWith('owner/line 1', 'fdop_b/owner', 'manufacturer')
    expect(store.ring(HOME_PARTY).list()).toMatchObject([
      { id: 'fdot_0', purpose: 'owner', origin: 'token' },
      { id: 'fdot_2', purpose: 'manufacturer', origin: 'token' },
    ])
    expect(store.ring('fdop_b').list()).toMatchObject([{ id: 'fdot_1', purpose: 'owner' }])
    const { spki } = keys[1] ?? expect.fail()
    expect(await store.ring('fdop_b').findSigner('owner', spki)).toBe(signers[1])
    expect(await store.ring(HOME_PARTY).findSigner('owner', spki)).toBeUndefined()
  })

  it('is used in the place of one that would be made here', async () => {
    const { store } = await openWith('manufacturer/p256')
    expect(await store.ring(HOME_PARTY).signer('manufacturer', 'p256')).toBe(signers[0])
    expect(store.list()).toHaveLength(1)
  })

  it('of another name is left alone', async () => {
    const { store } = await openWith('backup', 'ownership')
    expect(store.list()).toEqual([])
  })

  it('is let go of at the end', async () => {
    const { store, isStopped } = await openWith('owner')
    await store.close()
    expect(isStopped()).toBe(true)
  })
})
