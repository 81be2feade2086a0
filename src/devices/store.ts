/** The devices, how they got where they are, and their groups. */
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'
import type { DeviceEventTable, DeviceGroupTable, DeviceTable } from '../database/tables/devices.ts'
import { type DeviceState, MOVES, type Move } from './lifecycle.ts'

export type DeviceRow = DeviceTable
export type GroupRow = DeviceGroupTable
export type DeviceEvent = Omit<DeviceEventTable, 'seq'>

interface NewLife {
  readonly id: string
  readonly party: string
  readonly guid: string
  readonly serial: string | null
  readonly model: string
  readonly group: string
  readonly state: DeviceState
  readonly at: string
}

/** A device that is new, or begins anew. It stays in its group. */
export const beginLife = statement((db, p: NewLife) =>
  db
    .insertInto('device')
    .values({
      id: p.id,
      party: p.party,
      guid: p.guid,
      serial: p.serial,
      model: p.model,
      group_name: p.group,
      state: p.state,
      last_error: null,
      created_at: p.at,
      updated_at: p.at,
      onboarded_at: null,
    })
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet((eb) => ({
        guid: p.guid,
        serial: eb.fn.coalesce('excluded.serial', 'device.serial'),
        model: p.model,
        state: p.state,
        last_error: null,
        updated_at: p.at,
      })),
    ),
)

interface Moved {
  readonly id: string
  readonly error: string | null
  readonly at: string
}

function moveBy(move: Move) {
  const { to, from } = MOVES[move]
  return statement((db, p: Moved) =>
    db
      .updateTable('device')
      .set({ state: to, last_error: p.error, updated_at: p.at })
      .where('id', '=', p.id)
      .where('state', 'in', from),
  )
}

/** Those within a life. They change nothing where the device's state does not admit them. */
export const moveDevice = {
  registered: moveBy('registered'),
  'registration-lapsed': moveBy('registration-lapsed'),
  onboarding: moveBy('onboarding'),
  failed: moveBy('failed'),
  'handed-over': moveBy('handed-over'),
  retired: moveBy('retired'),
  restored: moveBy('restored'),
  'back-in-stock': moveBy('back-in-stock'),
} as const

/** TO2 is done. */
export const finishOnboarding = statement(
  (db, p: { readonly id: string; readonly guid: string; readonly at: string }) =>
    db
      .updateTable('device')
      .set({
        state: MOVES.onboarded.to,
        guid: p.guid,
        last_error: null,
        updated_at: p.at,
        onboarded_at: p.at,
      })
      .where('id', '=', p.id)
      .where('state', 'in', MOVES.onboarded.from)
      .returning(['party', 'serial']),
)

/** What it said of itself last. */
export const findLastEvent = statement((db, p: { id: string; type: string }) =>
  db
    .selectFrom('device_event')
    .select('detail')
    .where('device_id', '=', p.id)
    .where('type', '=', p.type)
    .orderBy('seq', 'desc')
    .limit(1),
)

export const recordSerial = statement((db, p: { id: string; serial: string }) =>
  db.updateTable('device').set({ serial: p.serial }).where('id', '=', p.id),
)

export const insertEvent = statement((db, event: DeviceEvent) =>
  db.insertInto('device_event').values({
    device_id: event.device_id,
    at: event.at,
    type: event.type,
    state: event.state,
    detail: event.detail,
  }),
)

/** In the state the device has. */
export const insertNote = statement((db, note: Omit<DeviceEvent, 'state'>) =>
  db
    .insertInto('device_event')
    .columns(['device_id', 'at', 'type', 'state', 'detail'])
    .expression((eb) =>
      eb
        .selectFrom('device')
        .select((select) => [
          'id',
          select.val(note.at).as('at'),
          select.val(note.type).as('type'),
          'state',
          select.val(note.detail).as('detail'),
        ])
        .where('id', '=', note.device_id),
    ),
)

export const findById = statement((db, p: { id: string }) =>
  db.selectFrom('device').selectAll().where('id', '=', p.id),
)

export const findByGuid = statement((db, p: { party: string; guid: string }) =>
  db.selectFrom('device').selectAll().where('guid', '=', p.guid).where('party', '=', p.party),
)

export const findBySerial = statement((db, p: { party: string; serial: string }) =>
  db
    .selectFrom('device')
    .select('id')
    .where('serial', '=', p.serial)
    .where('party', '=', p.party)
    .orderBy('created_at')
    .limit(1),
)

export const listEvents = statement((db, p: { id: string }) =>
  db
    .selectFrom('device_event')
    .select(['at', 'type', 'state', 'detail'])
    .where('device_id', '=', p.id)
    .orderBy('seq'),
)

/** What a device's token may carry, and what it is called now; none for one whose life here is over. */
export const findScopes = statement((db, p: { id: string }) =>
  db
    .selectFrom('device')
    .innerJoin('device_group', (join) =>
      join
        .onRef('device_group.party', '=', 'device.party')
        .onRef('device_group.name', '=', 'device.group_name'),
    )
    .select(['device.guid', 'device.state', 'device_group.scopes'])
    .where('device.id', '=', p.id)
    .where('device.state', 'not in', ['handed-over', 'retired']),
)

export interface DeviceFilter {
  readonly party: string
  readonly limit: number
  /** The last id of the page before. */
  readonly after?: string | undefined
  readonly state?: DeviceState | undefined
  readonly group?: string | undefined
  readonly model?: string | undefined
  readonly serial?: string | undefined
}

/** Ordered by id, so that a page stays the same while devices arrive. */
export function listDevices(db: Executor, filter: DeviceFilter): Promise<DeviceRow[]> {
  const { party, limit } = filter
  let query = db
    .selectFrom('device')
    .selectAll()
    .where('party', '=', party)
    .orderBy('id')
    .limit(limit)
  if (filter.after !== undefined) query = query.where('id', '>', filter.after)
  if (filter.state !== undefined) query = query.where('state', '=', filter.state)
  if (filter.group !== undefined) query = query.where('group_name', '=', filter.group)
  if (filter.model !== undefined) query = query.where('model', '=', filter.model)
  if (filter.serial !== undefined) query = query.where('serial', '=', filter.serial)
  return query.execute()
}

export async function countByState(
  db: Executor,
): Promise<{ readonly state: DeviceState; readonly count: number }[]> {
  const rows = await db
    .selectFrom('device')
    .select(({ fn }) => ['state', fn.countAll().as('count')])
    .groupBy('state')
    .execute()
  return rows.map(({ state, count }) => ({ state, count: Number(count) }))
}

export const assignGroup = statement((db, p: { id: string; group: string; at: string }) =>
  db.updateTable('device').set({ group_name: p.group, updated_at: p.at }).where('id', '=', p.id),
)

type GroupName = Pick<GroupRow, 'party' | 'name'>

export const insertGroup = statement((db, group: GroupRow) =>
  db
    .insertInto('device_group')
    .values({
      party: group.party,
      name: group.name,
      scopes: group.scopes,
      created_at: group.created_at,
      updated_at: group.updated_at,
    })
    .onConflict((conflict) => conflict.columns(['party', 'name']).doNothing()),
)

export const updateGroup = statement((db, p: GroupName & { scopes: string; at: string }) =>
  db
    .updateTable('device_group')
    .set({ scopes: p.scopes, updated_at: p.at })
    .where('party', '=', p.party)
    .where('name', '=', p.name),
)

/** Not while a device is in it. */
export const deleteGroup = statement((db, p: GroupName) =>
  db
    .deleteFrom('device_group')
    .where('party', '=', p.party)
    .where('name', '=', p.name)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('device')
            .select('id')
            .where('party', '=', p.party)
            .where('group_name', '=', p.name),
        ),
      ),
    ),
)

export const findGroup = statement((db, p: GroupName) =>
  db.selectFrom('device_group').selectAll().where('party', '=', p.party).where('name', '=', p.name),
)

export function listGroups(
  db: Executor,
  page: { readonly party: string; readonly limit: number; readonly after?: string | undefined },
): Promise<GroupRow[]> {
  let query = db
    .selectFrom('device_group')
    .selectAll()
    .where('party', '=', page.party)
    .orderBy('name')
    .limit(page.limit)
  if (page.after !== undefined) query = query.where('name', '>', page.after)
  return query.execute()
}
