/**
 * What begins the names and secrets that are given out here, one for each kind, so that whoever finds
 * one in a log or a repository knows what it is. The README lists those of secrets, for scanners.
 */

/** A secret follows, or an id and then a secret. */
export const SECRET_PREFIXES = {
  apiToken: 'fdoa_',
  invitation: 'fdoi_',
  inboxToken: 'fdob_',
  clientSecret: 'fdoc_',
  /** In FDO's Authorization header: a state under our key, good for minutes; */
  sealedSession: 'fdos_',
  /** or the row where it is kept. */
  sessionRow: 'fdor_',
} as const

/** Nothing that anybody could use follows. */
export const NAME_PREFIXES = {
  client: 'fdom_',
  device: 'fdod_',
  identityProvider: 'fdoo_',
  key: 'fdok_',
  order: 'fdoor_',
  orderShare: 'fdosh_',
  partner: 'fdopa_',
  party: 'fdop_',
  station: 'fdost_',
  transfer: 'fdot_',
  transferRule: 'fdol_',
  webhook: 'fdow_',
} as const
