/** The parties of an installation, and who is invited to become one. */
import { statement } from '../database/statement.ts'
import type { InvitationTable, PartyTable } from '../database/tables/parties.ts'

export type PartyRow = PartyTable
export type InvitationRow = InvitationTable

/** Nothing where there is a party of this id, or of this name. */
export const insertParty = statement((db, row: PartyRow) =>
  db
    .insertInto('party')
    .values({
      id: row.id,
      name: row.name,
      roles: row.roles,
      created_at: row.created_at,
      suspended_at: row.suspended_at,
    })
    .onConflict((conflict) => conflict.doNothing()),
)

export const findParty = statement((db, p: { id: string }) =>
  db.selectFrom('party').selectAll().where('id', '=', p.id),
)

export const findPartyNamed = statement((db, p: { name: string }) =>
  db.selectFrom('party').selectAll().where('name', '=', p.name),
)

export const listAllParties = statement((db, _: object) => db.selectFrom('party').selectAll())

export const listParties = statement((db, p: { after: string; limit: number }) =>
  db.selectFrom('party').selectAll().where('id', '>', p.after).orderBy('id').limit(p.limit),
)

export const renameParty = statement((db, p: { id: string; name: string }) =>
  db.updateTable('party').set({ name: p.name }).where('id', '=', p.id),
)

export const suspendParty = statement((db, p: { id: string; at: string | null }) =>
  db.updateTable('party').set({ suspended_at: p.at }).where('id', '=', p.id),
)

export const insertInvitation = statement((db, row: InvitationRow) =>
  db.insertInto('invitation').values({
    id: row.id,
    hash: row.hash,
    name: row.name,
    roles: row.roles,
    created_at: row.created_at,
    expires_at: row.expires_at,
    used_by: row.used_by,
  }),
)

export const findInvitation = statement((db, p: { id: string }) =>
  db.selectFrom('invitation').selectAll().where('id', '=', p.id),
)

export const listInvitations = statement((db, p: { after: string; limit: number }) =>
  db.selectFrom('invitation').selectAll().where('id', '>', p.after).orderBy('id').limit(p.limit),
)

export const useInvitation = statement((db, p: { id: string; party: string }) =>
  db.updateTable('invitation').set({ used_by: p.party }).where('id', '=', p.id),
)

export const removeInvitation = statement((db, p: { id: string }) =>
  db.deleteFrom('invitation').where('id', '=', p.id),
)

/** Codes nobody can use any more. */
export const removeLapsed = statement((db, p: { before: string }) =>
  db.deleteFrom('invitation').where('expires_at', '<', p.before),
)
