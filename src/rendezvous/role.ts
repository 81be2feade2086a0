/** TO0 and TO1 as this service plays the Rendezvous Server. */
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import { importSpki } from '../../protocol/crypto/verify-key.ts'
import { to0Rendezvous, to0RendezvousStates } from '../../protocol/to0/rendezvous.ts'
import { to1Rendezvous, to1RendezvousStates } from '../../protocol/to1/rendezvous.ts'
import type { Guid, RandomBytes } from '../../protocol/types/base.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/open.ts'
import { type MountedRole, mount } from '../fdo/mounted-role.ts'
import { RunOrder, grantedSeconds, storeRegistration } from './acceptance.ts'
import { RegistrationStore } from './store.ts'

export interface RendezvousServices {
  readonly database: Database
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  /** The device CAs whose devices are served; undefined for those of any. */
  readonly deviceAnchors: () => readonly Bytes[] | undefined
}

/** A lapsed registration is remembered for longer than a run may last, so that none returns. */
const REMEMBERED_MS = 15 * 60_000

const store = new RegistrationStore()

export function rendezvousRoles(services: RendezvousServices): readonly MountedRole[] {
  return [mountTo0(services), mountTo1(services)]
}

function mountTo0({ clock, randomBytes, deviceAnchors }: RendezvousServices): MountedRole {
  const runs = new RunOrder()
  return mount({
    name: 'TO0',
    role: to0Rendezvous,
    states: to0RendezvousStates,
    firstMessage: 20,
    initialState: { expects: 'TO0.Hello' },
    rows: [],
    context() {
      const anchors = deviceAnchors()
      const now = clock.now()
      return {
        randomBytes,
        trust: anchors ? { anchors, now } : { now },
        order: () => runs.next(now),
        admit: ({ waitSeconds }) => grantedSeconds(waitSeconds),
      }
    },
    write: (effect, tx) => storeRegistration(store, effect, tx, clock.now()),
    durable: ['registered'],
  })
}

function mountTo1({ database, clock, randomBytes }: RendezvousServices): MountedRole {
  const findRegistration = async (guid: Guid) => {
    const row = await store.findLive(database.db, toHex(guid), clock.now().toISOString())
    return row && { to1d: row.to1d, deviceKey: importSpki(row.device_key) }
  }
  const context = { randomBytes, findRegistration }
  return mount({
    name: 'TO1',
    role: to1Rendezvous,
    states: to1RendezvousStates,
    firstMessage: 30,
    initialState: { expects: 'TO1.HelloRV' },
    rows: [],
    context: () => context,
    write: async () => {},
  })
}

/** From time to time: forgets what has lapsed. */
export async function sweepRegistrations({ database, clock }: RendezvousServices): Promise<void> {
  const before = new Date(clock.now().getTime() - REMEMBERED_MS).toISOString()
  await database.commit((tx) => store.sweep(tx, before))
}
