/** The parts of voucher transfer, joined to each other. */
import type { AuditLog } from '../audit/log.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/open.ts'
import type { Events } from '../events.ts'
import type { Route } from '../http/route.ts'
import type { Lease } from '../leases/leases.ts'
import type { Sealer } from '../secrets/seal.ts'
import { didDoor, transferProfileRoutes } from './did/routes.ts'
import { Profiles } from './did/service.ts'
import { handoverRoutes } from './handover/routes.ts'
import { Handover } from './handover/service.ts'
import { holderDoor } from './holder/routes.ts'
import { Holder } from './holder/service.ts'
import { inboxDoor, inboxTokenRoutes } from './inbox/routes.ts'
import { Inbox } from './inbox/service.ts'
import { keyAuthDoor } from './key-auth/routes.ts'
import { KeyAuth } from './key-auth/service.ts'
import { keyProofRoutes } from './key-proof/routes.ts'
import { KeyProof } from './key-proof/service.ts'
import { partnerRoutes } from './partners/routes.ts'
import { Partners } from './partners/service.ts'
import type { Http, KeyPort, PartyPort, SalePort, VoucherPort } from './ports.ts'
import { type DoorServices, PublicDoor } from './public-door.ts'
import { transferSourceRoutes } from './pull/routes.ts'
import { PullService } from './pull/service.ts'
import { transferRoutes } from './push/routes.ts'
import { PushService } from './push/service.ts'
import { receiptRoutes } from './receipts/routes.ts'
import { ruleRoutes } from './rules/routes.ts'
import { Rules } from './rules/service.ts'

export interface TransferServices extends DoorServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: AuditLog
  readonly events: Events
  readonly sealer: Sealer
  readonly http: Http
  /** Why an address will not be called; undefined where it will, as far as is known by now. */
  forbids(url: string, party: string): Promise<string | undefined>
  /** In [0, 1). */
  readonly random: () => number
  readonly vouchers: VoucherPort
  readonly sales: SalePort
  readonly keys: KeyPort
  readonly parties: PartyPort
  /** Of several processes one makes the rounds of rules; without it this one. */
  readonly rounds?: Pick<Lease, 'isHeld'> | undefined
  /** How many vouchers are pulled until the call that asked for it is answered. */
  readonly mostPulledAtOnce?: number
  /** How partners' DID documents are fetched: by HTTPS, unless the installation allows less. */
  readonly didScheme: 'https' | 'http'
  /** Where others reach this service. */
  readonly publicUrl: () => string
  /** The same by HTTPS; undefined where there is none. */
  readonly didUrl: () => string | undefined
}

export interface Transfer {
  /** The management API. */
  readonly routes: readonly Route[]
  /** What partners call. */
  readonly others: readonly ReturnType<typeof inboxDoor>[]
  /** Where a sale leaves what is to be pushed. */
  readonly pushes: Pick<PushService, 'enqueue'>
  /** To whom vouchers go by themselves. */
  readonly rules: Pick<Rules, 'firstOwner' | 'wakeFor'>
  /** Whether a partner has proven to hold a key. */
  isProven(party: string, fingerprint: string): Promise<boolean>
  /** Forgets what has lapsed. */
  sweep(): Promise<void>
  start(): void
  stop(): Promise<void>
}

export function openTransfer(services: TransferServices): Transfer {
  const door = new PublicDoor(services)
  const partners = new Partners(services)
  const keyAuth = new KeyAuth({ ...services, partners })
  const inbox = new Inbox({
    ...services,
    async findProven(party, token) {
      const ownerKey = await keyAuth.findProven({ party, name: 'push' }, token)
      return ownerKey === undefined ? undefined : partners.findByKey(party, ownerKey)
    },
  })
  const holder = new Holder({ ...services, partners })
  const profiles = new Profiles(services)
  const pushes = new PushService({ ...services, partners })
  const handover = new Handover({ ...services, partners, pushes })
  const rules = new Rules({ ...services, partners, handover, lease: services.rounds })
  const proofs = new KeyProof({ ...services, partners })
  const pulls = new PullService({
    ...services,
    partners,
    inbox,
    mostAtOnce: services.mostPulledAtOnce,
  })
  return {
    routes: [
      ...partnerRoutes(partners),
      ...keyProofRoutes(proofs, services),
      ...inboxTokenRoutes(inbox),
      ...transferRoutes(pushes),
      ...handoverRoutes(handover),
      ...ruleRoutes(rules),
      ...transferSourceRoutes(pulls, partners),
      ...receiptRoutes(services.database),
      ...transferProfileRoutes(profiles),
    ],
    others: [
      inboxDoor(inbox, door),
      keyAuthDoor(keyAuth, door),
      holderDoor(holder, keyAuth, door),
      didDoor(profiles, door),
    ],
    pushes,
    rules,
    isProven: (party, fingerprint) => partners.isProven(party, fingerprint),
    sweep: () => keyAuth.sweep(),
    start() {
      pushes.start()
      pulls.start()
      rules.start()
    },
    async stop() {
      // It leaves something to push.
      await rules.stop()
      await Promise.all([pushes.stop(), pulls.stop()])
    },
  }
}
