/**
 * The whole data model on one page: what each table holds is said in tables/. Times are ISO 8601 in
 * UTC, blobs say what they hold, flags are 0 or 1. migrations/ creates what is declared here; both
 * are changed together.
 */
import type {
  AuditCountersignatureTable,
  AuditEntryTable,
  AuditPendingTable,
  AuditWitnessTable,
} from './tables/audit.ts'
import type {
  IdentityProviderTable,
  MachineClientTable,
  UsedAssertionTable,
} from './tables/callers.ts'
import type { DeviceEventTable, DeviceGroupTable, DeviceTable } from './tables/devices.ts'
import type { SealingKeyTable, SessionTable } from './tables/fdo.ts'
import type { ContentPieceTable, ContentTable, UploadPieceTable } from './tables/files.ts'
import type { IdempotencyTable } from './tables/http.ts'
import type {
  OrderCertificateTable,
  OrderDeviceTable,
  OrderIssuerTable,
  OrderShareTable,
  ProductionOrderTable,
  StationTable,
} from './tables/manufacturing.ts'
import type {
  OnboardingProgressTable,
  PlanOutcomeTable,
  PlanTable,
  PlanVersionTable,
  StepOutputTable,
  To0JobTable,
  To0PlaceTable,
  UploadTable,
} from './tables/onboarding.ts'
import type { LeaseTable } from './tables/leases.ts'
import type { InvitationTable, PartyTable } from './tables/parties.ts'
import type { CertificateTable, RevocationListTable } from './tables/pki.ts'
import type { RegistrationAlarmTable, RegistrationTable } from './tables/rendezvous.ts'
import type { SchemaFloorTable } from './tables/schema.ts'
import type { ApiTokenTable, PrivateKeyTable, SettingTable } from './tables/secrets.ts'
import type {
  InboxTokenTable,
  KeyAuthSessionTable,
  KeyAuthTokenTable,
  PartnerKeyTable,
  PartnerTable,
  PullSourceTable,
  PulledVoucherTable,
  PushJobTable,
  TransferProfileTable,
  TransferReceiptTable,
  TransferRefusalTable,
  TransferRuleTable,
} from './tables/transfer.ts'
import type { VoucherTable } from './tables/vouchers.ts'
import type { WebhookTable } from './tables/webhooks.ts'

/** The party an installation belongs to: it is there from the start, and runs what all share. */
export const HOME_PARTY = 'fdop_home'

export interface Tables {
  // ── fdo: conversations between one message and the next
  session: SessionTable
  sealing_key: SealingKeyTable

  // ── vouchers, devices
  voucher: VoucherTable
  device: DeviceTable
  device_event: DeviceEventTable
  device_group: DeviceGroupTable

  // ── transfer: to whom vouchers go, and from whom they come
  partner: PartnerTable
  partner_key: PartnerKeyTable
  inbox_token: InboxTokenTable
  key_auth_session: KeyAuthSessionTable
  key_auth_token: KeyAuthTokenTable
  push_job: PushJobTable
  pull_source: PullSourceTable
  pulled_voucher: PulledVoucherTable
  transfer_receipt: TransferReceiptTable
  transfer_profile: TransferProfileTable
  transfer_rule: TransferRuleTable
  transfer_refusal: TransferRefusalTable

  // ── manufacturing: stations, orders, and what was made to them
  station: StationTable
  production_order: ProductionOrderTable
  order_device: OrderDeviceTable
  order_share: OrderShareTable
  order_issuer: OrderIssuerTable
  order_certificate: OrderCertificateTable

  // ── rendezvous: what others have registered
  registration: RegistrationTable
  registration_alarm: RegistrationAlarmTable

  // ── onboarding: where our own vouchers are registered, what devices get, and what they have sent
  to0_job: To0JobTable
  to0_place: To0PlaceTable
  plan: PlanTable
  plan_version: PlanVersionTable
  plan_outcome: PlanOutcomeTable
  onboarding_progress: OnboardingProgressTable
  step_output: StepOutputTable
  upload: UploadTable
  content: ContentTable
  content_piece: ContentPieceTable
  upload_piece: UploadPieceTable

  // ── pki
  certificate: CertificateTable
  revocation_list: RevocationListTable

  // ── parties
  party: PartyTable
  invitation: InvitationTable

  // ── audit: what happened, and who outside has seen how far it went
  audit_entry: AuditEntryTable
  audit_pending: AuditPendingTable
  audit_witness: AuditWitnessTable
  audit_countersignature: AuditCountersignatureTable

  // ── webhooks: who is told of it
  webhook: WebhookTable

  // ── secrets, api-tokens, settings
  private_key: PrivateKeyTable
  api_token: ApiTokenTable
  setting: SettingTable

  // ── callers: programs and people that call the management API
  machine_client: MachineClientTable
  used_assertion: UsedAssertionTable
  identity_provider: IdentityProviderTable

  // ── database: who can run on it
  schema_floor: SchemaFloorTable

  // ── leases: which process does what
  lease: LeaseTable

  // ── http: requests that must not be carried out twice
  idempotency: IdempotencyTable
}
