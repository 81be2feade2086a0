/** The parts of voucher transfer, joined to each other. */
import type { Clock } from '../clock.ts'
import type { Database } from '../database/open.ts'
import type { Events } from '../events.ts'
import type { Route } from '../http/route.ts'
import { inboxDoor, inboxTokenRoutes } from './inbox/routes.ts'
import { Inbox, type InboxServices } from './inbox/service.ts'
import type { KeyPort, VoucherPort } from './ports.ts'
import { type DoorServices, PublicDoor } from './public-door.ts'

export interface TransferServices extends DoorServices {
  readonly database: Database
  readonly clock: Clock
  readonly events: Events
  readonly vouchers: VoucherPort
  readonly keys: KeyPort
}

export interface Transfer {
  /** The management API. */
  readonly routes: readonly Route[]
  /** What partners call. */
  readonly others: readonly ReturnType<typeof inboxDoor>[]
}

export function openTransfer(services: TransferServices): Transfer {
  const door = new PublicDoor(services)
  const findProven: InboxServices['findProven'] = async () => undefined
  const inbox = new Inbox({ ...services, findProven })
  return {
    routes: [...inboxTokenRoutes(inbox)],
    others: [inboxDoor(inbox, door)],
  }
}
