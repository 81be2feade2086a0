/** How a caller is known to be at a station. */
import { describe, expect, it } from 'vitest'
import { certificatesToPem } from '../../../../protocol/x509/pem.ts'
import { AuditLog } from '../../../../src/audit/log.ts'
import { FakeClock } from '../../../../src/clock.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { openDatabase } from '../../../support/database.ts'
import { createEvents } from '../../../../src/events.ts'
import { HERE, type ListenerName, type Source } from '../../../../src/http/source.ts'
import { silentLog } from '../../../../src/log.ts'
import { callerOf } from '../../../../src/manufacturing/caller.ts'
import { type NewStation, Stations } from '../../../../src/manufacturing/stations/service.ts'
import { CA_USAGE, certificateOf, ecKey } from '../../../support/certificates.ts'

const ca = { key: ecKey(), subject: 'line CA' }
const caCertificate = certificateOf({ ...ca, isCa: true, keyUsage: CA_USAGE })
const leaf = certificateOf({ key: ecKey(), subject: 'a tester', issuer: ca })
const foreign = certificateOf({ key: ecKey(), subject: 'x', issuer: { ...ca, key: ecKey() } })
const clientCas = certificatesToPem([caCertificate])

async function world(
  allow: readonly string[] = [],
  listeners: ReadonlySet<ListenerName> = new Set(['http', 'https']),
) {
  const clock = new FakeClock()
  const database = await openDatabase(':memory:')
  const events = createEvents(silentLog)
  const buyers = new Set(['fdop_buyer'])
  const parties = {
    isActive: async (party: string) => party !== 'fdop_gone',
    hasRole: async (party: string) => !buyers.has(party),
  }
  const stations = new Stations({
    ...{ database, clock, events, parties, listeners },
    audit: new AuditLog({ clock }),
  })
  return {
    buyers,
    add: async (party: string, more: Partial<NewStation>) => {
      const wanted = { name: 'a', allow: [], clientCas: '', withSecret: false, ...more }
      const { row, secret } = await stations.add(wanted, { id: 'tok', party })
      return { id: row.id, secret: secret ?? undefined }
    },
    caller: (source: Partial<Source>) =>
      callerOf({ clock, stations, door: { allow } }, { ...HERE, ...source }),
  }
}

const refused = { code: 'INVALID_MESSAGE_ERROR' }
const shown = { clientCertificate: leaf }

describe('a caller', () => {
  it('is at a station by its certificate, if the CA is the station’s', async () => {
    const { add, caller } = await world()
    const { id } = await add('fdop_a', { clientCas })
    expect(await caller(shown)).toEqual({ party: 'fdop_a', stations: [{ id, name: 'a' }] })
    await expect(caller({})).rejects.toMatchObject(refused)
    await expect(caller({ clientCertificate: foreign })).rejects.toMatchObject(refused)
  })

  it('is at all that fit it', async () => {
    const { add, caller } = await world()
    const one = await add(HOME_PARTY, { name: 'one', allow: ['127.0.0.1'] })
    const other = await add(HOME_PARTY, { name: 'other', allow: ['127.0.0.0/8'] })
    await add(HOME_PARTY, { name: 'far', allow: ['10.0.0.0/8'] })
    const known = await caller({})
    expect(new Set(known?.stations.map(({ id }) => id))).toEqual(new Set([one.id, other.id]))
  })

  it('wants both where a station asks for an address and a certificate', async () => {
    const { add, caller } = await world()
    await add('fdop_a', { clientCas, allow: ['10.0.0.0/8'] })
    await expect(caller(shown)).rejects.toMatchObject(refused)
    await expect(caller({ address: '10.1.1.1' })).rejects.toMatchObject(refused)
    const both = { ...shown, address: '10.1.1.1' }
    expect(await caller(both)).toMatchObject({ party: 'fdop_a' })
    await expect(caller({ ...both, forwarded: true })).rejects.toMatchObject(refused)
  })

  it('is nobody’s where the stations of two parties fit it', async () => {
    const { add, caller } = await world()
    await add('fdop_a', { clientCas })
    await add('fdop_b', { clientCas })
    await expect(caller(shown)).rejects.toThrow('two parties')
  })

  it('of the installation itself cannot be claimed by others', async () => {
    const { add, caller } = await world(['127.0.0.0/8'])
    await add('fdop_a', { clientCas })
    expect(await caller(shown)).toBeUndefined()
    const home = await add(HOME_PARTY, { clientCas })
    expect(await caller(shown)).toEqual({
      party: HOME_PARTY,
      stations: [{ id: home.id, name: 'a' }],
    })
  })

  it('with a secret is at that station and no other', async () => {
    const { add, caller } = await world(['127.0.0.0/8'])
    await add(HOME_PARTY, { name: 'by address', allow: ['127.0.0.0/8'] })
    const { id, secret } = await add('fdop_a', { withSecret: true })
    expect(await caller({ stationSecret: secret })).toEqual({
      party: 'fdop_a',
      stations: [{ id, name: 'a' }],
    })
    await expect(caller({ stationSecret: 'guess' })).rejects.toMatchObject(refused)
    await expect(caller({ stationSecret: '' })).rejects.toMatchObject(refused)
    const guarded = await add('fdop_a', { name: 'b', withSecret: true, clientCas })
    await expect(caller({ stationSecret: guarded.secret })).rejects.toMatchObject(refused)
    expect(await caller({ stationSecret: guarded.secret, ...shown })).toMatchObject({
      stations: [{ id: guarded.id }],
    })
  })

  it('is at a station that is bound to a listener if it came in by that', async () => {
    const { add, caller } = await world()
    const [https, http] = [{ listener: 'https' }, { listener: 'http' }] as const
    const range = ['127.0.0.0/8']
    const one = await add(HOME_PARTY, { name: 'one', allow: range, ...https })
    const other = await add(HOME_PARTY, { name: 'other', allow: range, ...http })
    const either = await add(HOME_PARTY, { name: 'either', allow: range })
    const at = async (source: Partial<Source>) =>
      new Set((await caller(source))?.stations.map(({ id }) => id))
    expect(await at(https)).toEqual(new Set([one.id, either.id]))
    expect(await at(http)).toEqual(new Set([other.id, either.id]))
    expect(await at({})).toEqual(new Set([either.id]))
    const { secret } = await add('fdop_a', { withSecret: true, ...https })
    expect(await caller({ stationSecret: secret, ...https })).toMatchObject({ party: 'fdop_a' })
    await expect(caller({ stationSecret: secret, ...http })).rejects.toThrow('come in by https')
  })

  it('gets nowhere for a party that is suspended', async () => {
    const { add, caller } = await world()
    const { secret } = await add('fdop_gone', { withSecret: true })
    await expect(caller({ stationSecret: secret })).rejects.toThrow('suspended')
  })
})

describe('a party that makes no devices', () => {
  const wanted = { withSecret: true }

  it('has no stations', async () => {
    const { add } = await world()
    const refusal = { code: 'not-permitted', message: expect.stringContaining('manufacturer') }
    await expect(add('fdop_buyer', wanted)).rejects.toMatchObject(refusal)
  })

  it('gets nowhere with one that it should not have', async () => {
    const { add, caller, buyers } = await world()
    const { secret } = await add('fdop_a', wanted)
    await add('fdop_a', { name: 'b', clientCas })
    buyers.add('fdop_a')
    await expect(caller({ stationSecret: secret })).rejects.toThrow('does not make devices')
    await expect(caller(shown)).rejects.toThrow('does not make devices')
  })
})

describe('a station that is bound to a listener', () => {
  it('is none that nobody could be at', async () => {
    const { add } = await world([], new Set(['http']))
    const secret = { withSecret: true }
    const none = { code: 'invalid-request', message: expect.stringContaining('TLS_PORT') }
    await expect(add('fdop_a', { ...secret, listener: 'https' })).rejects.toMatchObject(none)
    const shownNever = add('fdop_a', { clientCas, listener: 'http' })
    await expect(shownNever).rejects.toThrow('by https only')
    const { add: addThere } = await world([], new Set(['https']))
    await expect(addThere('fdop_a', { ...secret, listener: 'http' })).rejects.toThrow(
      'see FIRSTLIGHT_PORT',
    )
  })

  it('is not known by that alone', async () => {
    const { add } = await world()
    await expect(add(HOME_PARTY, { listener: 'https' })).rejects.toThrow('needs addresses')
  })
})

describe('a station of a guest', () => {
  it('needs more than an address, which is nobody’s for good', async () => {
    const { add } = await world()
    const wanted = { allow: ['10.0.0.0/8'] }
    await expect(add('fdop_a', wanted)).rejects.toMatchObject({ code: 'invalid-request' })
    await add(HOME_PARTY, wanted)
  })
})
