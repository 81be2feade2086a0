/** The parts of voucher transfer, joined to each other. */
import type { Clock } from '../clock.ts'
import type { Database } from '../database/open.ts'
import type { Events } from '../events.ts'
import type { Route } from '../http/route.ts'
import type { Sealer } from '../secrets/seal.ts'
import { inboxDoor, inboxTokenRoutes } from './inbox/routes.ts'
import { Inbox, type InboxServices } from './inbox/service.ts'
import { partnerRoutes } from './partners/routes.ts'
import { Partners } from './partners/service.ts'
import type { Http, KeyPort, VoucherPort } from './ports.ts'
import { type DoorServices, PublicDoor } from './public-door.ts'
import { transferRoutes } from './push/routes.ts'
import { PushService } from './push/service.ts'

export interface TransferServices extends DoorServices {
  readonly database: Database
  readonly clock: Clock
  readonly events: Events
  readonly sealer: Sealer
  readonly http: Http
  /** In [0, 1). */
  readonly random: () => number
  readonly vouchers: VoucherPort
  readonly keys: KeyPort
  /** How partners' DID documents are fetched: by HTTPS, unless the installation allows less. */
  readonly didScheme: 'https' | 'http'
}

export interface Transfer {
  /** The management API. */
  readonly routes: readonly Route[]
  /** What partners call. */
  readonly others: readonly ReturnType<typeof inboxDoor>[]
  /** Where a sale leaves what is to be pushed. */
  readonly pushes: Pick<PushService, 'enqueue'>
  start(): void
  stop(): Promise<void>
}

export function openTransfer(services: TransferServices): Transfer {
  const door = new PublicDoor(services)
  const partners = new Partners(services)
  const pushes = new PushService({ ...services, partners })
  const findProven: InboxServices['findProven'] = async () => undefined
  const inbox = new Inbox({ ...services, findProven })
  return {
    routes: [...partnerRoutes(partners), ...inboxTokenRoutes(inbox), ...transferRoutes(pushes)],
    others: [inboxDoor(inbox, door)],
    pushes,
    start: () => pushes.start(),
    stop: () => pushes.stop(),
  }
}
