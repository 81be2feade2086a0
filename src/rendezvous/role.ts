/** TO0 and TO1 as this service plays the Rendezvous Server. */
import { HOME_PARTY } from '../database/tables.ts'
import { hash } from 'node:crypto'
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import { importSpki } from '../../protocol/crypto/verify-key.ts'
import { FormerOwnerError } from '../../protocol/to0/replacement.ts'
import {
  type To0RendezvousEffect,
  to0Rendezvous,
  to0RendezvousStates,
} from '../../protocol/to0/rendezvous.ts'
import { to1Rendezvous, to1RendezvousStates } from '../../protocol/to1/rendezvous.ts'
import type { RandomBytes } from '../../protocol/types/base.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/open.ts'
import type { Events } from '../events.ts'
import { type MountedRole, mount } from '../fdo/mounted-role.ts'
import type { Source } from '../http/source.ts'
import type { Setting } from '../settings/setting.ts'
import { type RunOrder, storeRegistration } from './acceptance.ts'
import { grantedSeconds, trustFor } from './admission.ts'
import { countAttempt } from './alarms/store.ts'
import type { Limits } from './limits.ts'
import type { RendezvousPolicy } from './policy.ts'
import { findLive, retire } from './store.ts'

export interface RendezvousServices {
  readonly database: Database
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly events: Pick<Events, 'registrationRefused'>
  /** The device CAs whose devices are served; undefined for those of any. */
  readonly deviceAnchors: () => readonly Bytes[] | undefined
  readonly policy: Pick<Setting<RendezvousPolicy>, 'value'>
  readonly limits: Limits
  readonly runs: RunOrder
}

export function rendezvousRoles(services: RendezvousServices): readonly MountedRole[] {
  return [mountTo0(services), mountTo1(services)]
}

function mountTo0(services: RendezvousServices): MountedRole {
  const { clock, randomBytes, deviceAnchors, policy, limits, runs } = services
  return mount({
    name: 'TO0',
    role: to0Rendezvous,
    states: to0RendezvousStates,
    firstMessage: 20,
    initialState: { expects: 'TO0.Hello' },
    rows: [],
    async context(source) {
      const admitGuid = await limits.admit(source)
      const now = clock.now()
      return {
        randomBytes,
        order: () => runs.next(now),
        async trust(voucher) {
          admitGuid(voucher.header.value.guid)
          return trustFor(voucher, await policy.value(HOME_PARTY), deviceAnchors(), now)
        },
        async admit({ voucher, waitSeconds }) {
          return grantedSeconds(voucher, waitSeconds, await policy.value(HOME_PARTY))
        },
      }
    },
    write: (effect, tx) => storeRegistration(effect, tx, clock.now()),
    durable: ['registered'],
    async refused([effect], error, source) {
      if (effect && error instanceof FormerOwnerError) await raise(services, effect, error, source)
    },
  })
}

/** A former owner has proven who it is, and that it owns the device no longer. */
async function raise(
  { database, clock, events }: RendezvousServices,
  { guid, ownerKey }: To0RendezvousEffect,
  { entries, message: reason }: FormerOwnerError,
  { address: source }: Source,
): Promise<void> {
  const owner_key = hash('sha256', ownerKey.spki, 'buffer')
  const attempt = { guid: toHex(guid), owner_key, entries, source, at: clock.now().toISOString() }
  await database.commit((tx) => countAttempt(tx, attempt))
  events.registrationRefused({ guid: toHex(guid), owner: toHex(owner_key), source, reason })
}

function mountTo1({ database, clock, randomBytes, limits }: RendezvousServices): MountedRole {
  return mount({
    name: 'TO1',
    role: to1Rendezvous,
    states: to1RendezvousStates,
    firstMessage: 30,
    initialState: { expects: 'TO1.HelloRV' },
    rows: [],
    async context(source) {
      const admitGuid = await limits.admit(source)
      return {
        randomBytes,
        async findRegistration(guid) {
          admitGuid(guid)
          const key = { guid: toHex(guid), now: clock.now().toISOString() }
          const { to1d, device_key } = (await findLive.first(database.db, key)) ?? {}
          return to1d && device_key ? { to1d, deviceKey: importSpki(device_key) } : undefined
        },
      }
    },
    write: async () => {},
  })
}

/** In one transaction: others are waiting, too. */
const RETIRED_AT_ONCE = 200

/** From time to time: of what has lapsed only the memory is kept. */
export async function retireLapsed({
  database,
  clock,
}: Pick<RendezvousServices, 'database' | 'clock'>): Promise<void> {
  const slice = { now: clock.now().toISOString(), limit: RETIRED_AT_ONCE }
  while ((await database.commit((tx) => retire.run(tx, slice))) === RETIRED_AT_ONCE);
}
