/** Which parties may place orders: those that were invited to make devices. */
import { AuditLog } from '../../../../src/audit/log.ts'
import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { openDatabase } from '../../../support/database.ts'
import { createEvents } from '../../../../src/events.ts'
import { silentLog } from '../../../../src/log.ts'
import { OrderDesk } from '../../../../src/manufacturing/orders/service.ts'
import { Parties, type PartyRole } from '../../../../src/parties/service.ts'

const ADMIN = { party: HOME_PARTY, id: 'fdoa_1' }
const never = () => expect.fail()
const silent = () => () => Promise.reject(new Error('no answer'))

async function world() {
  const clock = new FakeClock()
  const database = await openDatabase(':memory:')
  const audit = new AuditLog({ clock })
  const parties = await Parties.open({ database, clock, audit })
  const desk = new OrderDesk({
    ...{ database, clock, audit, parties, randomBytes, connect: silent, keysOf: never },
    events: createEvents(silentLog),
    rendezvousInfo: { current: async () => ({ json: [{ dns: 'rv.test' }] }) },
    stations: { find: never },
    isParty: never,
  })
  return {
    database,
    async join(name: string, roles: readonly PartyRole[]) {
      const { row } = await parties.invite({ name, roles }, 60, ADMIN)
      return (await parties.join(row.id, async () => {})).id
    },
    place: (party: string) =>
      desk.create(
        {
          ...{ name: 'o', model: null, quantity: 1, rendezvousInfo: undefined, firstOwner: [] },
          ...{ stations: [], isSerialUnique: false, label: '', deviceCas: '' },
          expiresAt: new Date(clock.now().getTime() + 1000),
        },
        { id: 'tok', party },
      ),
    open: (id: string, party: string) => desk.open(id, true, { id: 'tok', party }),
  }
}

const refusal = { code: 'not-permitted', message: expect.stringContaining('role manufacturer') }

it('the installation’s own may, and one that was invited as a manufacturer', async () => {
  const { join, place, open } = await world()
  const maker = await join('maker', ['owner', 'manufacturer'])
  for (const party of [HOME_PARTY, maker]) {
    const { id } = await place(party)
    expect(await open(id, party)).toMatchObject({ party, state: 'open' })
  }
})

it('one that was invited as anything else may not', async () => {
  const { join, place } = await world()
  const buyer = await join('buyer', ['owner', 'reseller'])
  await expect(place(buyer)).rejects.toMatchObject(refusal)
})

it('one that is a manufacturer no longer may not open what it has placed', async () => {
  const { database, join, place, open } = await world()
  const maker = await join('maker', ['manufacturer'])
  const { id } = await place(maker)
  await database.db.updateTable('party').set({ roles: 'owner' }).where('id', '=', maker).execute()
  await expect(open(id, maker)).rejects.toMatchObject(refusal)
})
