/** Organisations, and how they come in. */

/** An organisation: everything else belongs to one of them. */
export interface PartyTable {
  id: string
  /** What people call it; fit for a URL. */
  name: string
  /** What it does, separated by spaces: manufacturer, reseller, owner. */
  roles: string
  created_at: string
  /** Since when nobody may act for it. */
  suspended_at: string | null
}

/** A code that brings a new party in. */
export interface InvitationTable {
  id: string
  /** SHA-256 of the secret, hex. */
  hash: string
  /** Of the party to be. */
  name: string
  roles: string
  created_at: string
  expires_at: string
  /** The party that came in by it. */
  used_by: string | null
}
