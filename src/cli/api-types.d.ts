/** The management API by its OpenAPI document. Written by `npm run golden`, not by hand. */

interface Schemas {
  Problem: {
    readonly type: string
    readonly title: string
    readonly status: number
    readonly code:
      | 'invalid-request'
      | 'not-authenticated'
      | 'not-permitted'
      | 'not-found'
      | 'method-not-allowed'
      | 'too-slow'
      | 'conflict'
      | 'in-progress'
      | 'answer-lost'
      | 'precondition-failed'
      | 'too-large'
      | 'unsupported-media-type'
      | 'check-failed'
      | 'idempotency-key-reused'
      | 'too-many-requests'
      | 'internal-error'
      | 'unavailable'
    readonly detail?: string
    readonly instance?: string
  }
  Party: {
    readonly id: string
    readonly name: string
    readonly roles: readonly string[]
    readonly created_at: string
    readonly suspended_at: string | null
  }
  Invitation: {
    readonly id: string
    readonly name: string
    readonly roles: readonly string[]
    readonly created_at: string
    readonly expires_at: string
    readonly used_by: string | null
  }
  ApiToken: {
    readonly id: string
    readonly name: string
    readonly scopes: readonly string[]
    readonly created_at: string
    readonly first_used_at: string | null
    readonly expires_at: string | null
    readonly revoked_at: string | null
  }
  Client: {
    readonly client_id: string
    readonly name: string
    readonly scopes: readonly string[]
    readonly auth: {
      readonly method:
        | 'private_key_jwt'
        | 'self_signed_tls_client_auth'
        | 'tls_client_auth'
        | 'client_secret_basic'
      readonly jwks?: { readonly keys: readonly Readonly<Record<string, unknown>>[] }
      readonly jwks_uri?: string
      readonly thumbprints?: readonly string[]
      readonly ca?: string
      readonly subject_dn?: string
      readonly san_dns?: string
      readonly san_uri?: string
    }
    readonly created_at: string
    readonly rotated_at: string | null
    readonly disabled_at: string | null
  }
  IdentityProvider: {
    readonly id: string
    readonly name: string
    readonly issuer: string
    readonly audience: string
    readonly jwks_uri: string
    readonly claim: string
    readonly roles: Readonly<Record<string, readonly string[]>>
    readonly is_named: boolean
    readonly created_at: string
  }
  TokenTest: {
    readonly accepted: boolean
    readonly reason?: string
    readonly principal?: { readonly id: string; readonly name: string }
    readonly values?: readonly string[]
    readonly scopes?: readonly string[]
    readonly permissions?: readonly string[]
  }
  Key: {
    readonly id: string
    readonly purpose: string
    readonly type: 'p256' | 'p384' | 'rsa2048' | 'rsa3072'
    readonly fingerprint: string
    readonly origin: 'made' | 'imported' | 'token'
    readonly state: 'active' | 'kept' | 'retired'
    readonly vouchers: number
    readonly vouchers_cut: boolean
    readonly public_key: string
    readonly created_at: string
    readonly retired_at: string | null
  }
  ProtectedKey: { readonly file: string; readonly passphrase: string }
  AuditEntry: {
    readonly party: string
    readonly seq: number
    readonly at: string
    readonly type: string
    readonly by: string
    readonly subject: { readonly guid?: string; readonly device?: string; readonly id?: string }
    readonly detail: Readonly<Record<string, unknown>> | null
    readonly previous: string
    readonly hash: string
  }
  AuditHead: {
    readonly party: string
    readonly seq: number
    readonly hash: string
    readonly at: string | null
  }
  Countersignature: {
    readonly party: string
    readonly seq: number
    readonly hash: string
    readonly witness: string
    readonly witnessed_at: string
    readonly created_at: string
    readonly signed: string
  }
  Witness: {
    readonly fingerprint: string
    readonly name: string
    readonly public_key: string
    readonly created_at: string
  }
  Webhook: {
    readonly id: string
    readonly url: string
    readonly types: readonly string[]
    readonly state: 'active' | 'disabled'
    readonly cursor: number
    readonly pending: number
    readonly attempts: number
    readonly failing_since: string | null
    readonly last_error: string | null
    readonly next_at: string
    readonly last_delivered_at: string | null
    readonly created_at: string
  }
  VoucherSummary: {
    readonly guid: string
    readonly device_id: string
    readonly device_info: string
    readonly state: 'held' | 'handed-over' | 'replaced' | 'used' | 'superseded' | 'left' | 'deleted'
    readonly origin: 'made' | 'imported' | 'onboarded'
    readonly entries: number
    readonly entry_style: 'fdo-1.1' | 'tagged'
    readonly owner_key: string
    readonly superseded_by: string | null
    readonly exported_at: string | null
    readonly created_at: string
    readonly updated_at: string
  }
  Voucher: Schemas['VoucherSummary'] & {
    readonly version: number
    readonly manufacturer_key: {
      readonly type: 'p256' | 'p384' | 'rsa2048' | 'rsa3072'
      readonly encoding: 'x509' | 'x5chain' | 'cose'
      readonly fingerprint: string
    }
    readonly sold_to: readonly {
      readonly type: 'p256' | 'p384' | 'rsa2048' | 'rsa3072'
      readonly encoding: 'x509' | 'x5chain' | 'cose'
      readonly fingerprint: string
    }[]
    readonly device_certificate: {
      readonly fingerprint: string
      readonly not_before: string
      readonly not_after: string
    } | null
    readonly rendezvous_info: readonly Readonly<Record<string, unknown>>[]
    readonly bytes: number
  }
  TrustPolicy: {
    readonly device_cas?: ('default' | 'any') | readonly string[]
    readonly manufacturer_keys?: 'any' | readonly string[]
    readonly rsa2048?: boolean
  }
  DeviceSummary: {
    readonly id: string
    readonly guid: string
    readonly state:
      | 'manufactured'
      | 'owned'
      | 'registered'
      | 'onboarding'
      | 'onboarded'
      | 'failed'
      | 'handed-over'
      | 'retired'
    readonly serial: string | null
    readonly model: string
    readonly group: string
    readonly to0: {
      readonly state: 'none' | 'waiting' | 'registered' | 'failing' | 'withdrawing'
      readonly last_error: string | null
      readonly expires_at: string | null
    }
    readonly last_error: string | null
    readonly created_at: string
    readonly updated_at: string
    readonly onboarded_at: string | null
  }
  Device: Schemas['DeviceSummary'] & {
    readonly to0?: {
      readonly state: 'none' | 'waiting' | 'registered' | 'failing' | 'withdrawing'
      readonly last_error: string | null
      readonly expires_at: string | null
      readonly servers: readonly {
        readonly state: 'none' | 'waiting' | 'registered' | 'failing' | 'withdrawing'
        readonly last_error: string | null
        readonly expires_at: string | null
        readonly url: string
        readonly next_at: string
      }[]
    }
    readonly plan: { readonly name: string; readonly version: number } | null
    readonly history: readonly {
      readonly at: string
      readonly type: string
      readonly state:
        | 'manufactured'
        | 'owned'
        | 'registered'
        | 'onboarding'
        | 'onboarded'
        | 'failed'
        | 'handed-over'
        | 'retired'
      readonly detail: Readonly<Record<string, unknown>> | null
    }[]
  }
  Group: {
    readonly name: string
    readonly scopes: readonly string[]
    readonly created_at: string
    readonly updated_at: string
  }
  RendezvousDirective: {
    readonly dns?: string
    readonly ip?: string
    readonly dev_port?: number
    readonly owner_port?: number
    readonly protocol?: 'rest' | 'http' | 'https' | 'tcp' | 'tls' | 'coap-tcp' | 'coap-udp'
    readonly delay_seconds?: number
    readonly dev_only?: boolean
    readonly owner_only?: boolean
    readonly bypass?: boolean
    readonly user_input?: boolean
    readonly medium?: number
    readonly wifi_ssid?: string
    readonly wifi_pw?: string
    readonly sv_cert_hash?: string
    readonly cl_cert_hash?: string
    readonly ext_rv?: string
  }
  OwnerAddress: {
    readonly dns?: string
    readonly ip?: string
    readonly port: number
    readonly protocol: 'tcp' | 'tls' | 'http' | 'coap' | 'https' | 'coaps'
  }
  Certificate: {
    readonly serial: string
    readonly profile: string
    readonly device_id: string | null
    readonly status: 'pending' | 'active' | 'superseded' | 'revoked'
    readonly not_before: string
    readonly not_after: string
    readonly created_at: string
    readonly revoked_at: string | null
    readonly revocation_reason: string | null
  }
  Partner: {
    readonly id: string
    readonly name: string
    readonly did: string | null
    readonly push_url: string | null
    readonly pull_url: string | null
    readonly has_token: boolean
    readonly keys: readonly {
      readonly fingerprint: string
      readonly kind: string
      readonly jwk: Readonly<Record<string, string>>
      readonly certificates: number
      readonly proven_at: string | null
      readonly proven_how: 'signature' | 'key-auth' | null
    }[]
    readonly created_at: string
    readonly updated_at: string
  }
  InboxToken: {
    readonly id: string
    readonly name: string
    readonly created_at: string
    readonly revoked_at: string | null
  }
  Transfer: {
    readonly id: string
    readonly partner: string
    readonly guid: string
    readonly voucher_hash: string
    readonly state: 'waiting' | 'delivered' | 'failed'
    readonly attempts: number
    readonly next_at: string | null
    readonly last_error: string | null
    readonly created_at: string
    readonly updated_at: string
  }
  TransferRule: {
    readonly id: string
    readonly model: string | null
    readonly partner: string | null
    readonly party: string | null
    readonly last_error: string | null
    readonly created_at: string
  }
  TransferSource: {
    readonly id: string
    readonly name: string
    readonly pull_url: string
    readonly every_seconds: number | null
    readonly next_at: string | null
    readonly last_at: string | null
    readonly last_error: string | null
  }
  PullResult: {
    readonly taken: number
    readonly known: number
    readonly failed: readonly { readonly id: string; readonly reason: string }[]
    readonly more: boolean
  }
  TransferReceipt: {
    readonly direction: 'given' | 'got'
    readonly guid: string
    readonly voucher_hash: string
    readonly peer: string
    readonly at: string
    readonly receipt: string | null
  }
  TransferProfile: {
    readonly did: string | null
    readonly public: boolean
    readonly push_url: string
    readonly pull_url: string
    readonly key: { readonly fingerprint: string; readonly jwk: Readonly<Record<string, string>> }
  }
  Registration: {
    readonly guid: string
    readonly state: 'live' | 'ended'
    readonly owner_key: string
    readonly entries: number
    readonly registered_at: string
    readonly expires_at: string | null
  }
  RegistrationAlarm: {
    readonly guid: string
    readonly owner_key: string | null
    readonly times: number
    readonly entries: number
    readonly source: string
    readonly first_at: string
    readonly last_at: string
  }
  RendezvousPolicy: {
    readonly anyone: boolean
    readonly allow: {
      readonly owner_keys: readonly string[]
      readonly manufacturer_keys: readonly string[]
      readonly device_cas: readonly string[]
    }
    readonly deny: {
      readonly owner_keys: readonly string[]
      readonly manufacturer_keys: readonly string[]
      readonly device_cas: readonly string[]
      readonly guids: readonly string[]
    }
    readonly waits: {
      readonly listed: { readonly default_seconds: number; readonly most_seconds: number }
      readonly others: { readonly default_seconds: number; readonly most_seconds: number }
    }
    readonly limits: {
      readonly source: { readonly per_second: number; readonly burst: number }
      readonly guid: { readonly per_second: number; readonly burst: number }
    }
  }
  Station: {
    readonly id: string
    readonly name: string
    readonly allow: readonly string[]
    readonly client_cas: string | null
    readonly has_secret: boolean
    readonly listener: 'http' | 'https' | null
    readonly created_at: string
  }
  Order: {
    readonly id: string
    readonly name: string
    readonly state: 'draft' | 'open' | 'closed'
    readonly is_expired: boolean
    readonly model: string | null
    readonly quantity: number
    readonly made: number
    readonly reserved: number
    readonly source: Schemas['OrderSource']
    readonly first_owner: readonly { readonly model?: string; readonly to: string }[]
    readonly rendezvous_info: readonly Readonly<Record<string, unknown>>[]
    readonly trial: Schemas['RendezvousTrial']
    readonly stations: readonly string[]
    readonly unique_serials: boolean
    readonly label: string
    readonly device_cas: string | null
    readonly created_at: string
    readonly expires_at: string
    readonly opened_at: string | null
    readonly closed_at: string | null
  }
  OrderSource: {
    readonly share: string
    readonly order: string
    readonly issuer: string
    readonly party: string
    readonly url: string
  } | null
  RendezvousTrial: {
    readonly tried_at: string
    readonly ok: boolean
    readonly addresses: readonly {
      readonly url: string
      readonly as: 'owner' | 'device' | 'device-at-owner'
      readonly ok: boolean
      readonly detail: string
    }[]
    readonly passed_over: readonly string[]
  } | null
  OrderDevice: {
    readonly number: number
    readonly serial: string
    readonly guid: string
    readonly model: string
    readonly device_id: string
    readonly made_at: string
    readonly voucher_state: string | null
    readonly voucher: string | null
    readonly station: string | null
    readonly share: string | null
    readonly label: string
  }
  OrderShareWithDocument: Schemas['OrderShare'] & { readonly document: string }
  OrderShare: {
    readonly id: string
    readonly order: string
    readonly line: string
    readonly quantity: number
    readonly made: number
    readonly reserved: number
    readonly state: 'open' | 'closed'
    readonly is_expired: boolean
    readonly created_at: string
    readonly expires_at: string
    readonly closed_at: string | null
  }
  OrderIssuer: { readonly fingerprint: string; readonly name: string; readonly created_at: string }
  Plan: {
    readonly name: string
    readonly version: number
    readonly description?: string
    readonly credential?: 'new' | 'reuse'
    readonly applies_to?: {
      readonly devices?: readonly string[]
      readonly groups?: readonly string[]
      readonly models?: readonly string[]
    }
    readonly rules?: readonly Schemas['PlanRule'][]
    readonly priority?: number
    readonly rollout?: Schemas['PlanRollout']
    readonly steps: readonly Schemas['PlanStep'][]
    readonly status: 'in-force' | 'awaiting-approval' | 'rolling-out' | 'stopped'
    readonly in_force: number | null
    readonly trial: {
      readonly version: number
      readonly share: number
      readonly state: 'rolling' | 'stopped'
    } | null
    readonly digest: string
    readonly changed_by: string | null
    readonly created_at: string | null
    readonly updated_at: string | null
  }
  PlanRule: {
    readonly devices?: readonly string[]
    readonly groups?: readonly string[]
    readonly models?: readonly string[]
    readonly serial?: { readonly from: string; readonly to: string }
    readonly devmod?: {
      readonly os?: readonly string[]
      readonly arch?: readonly string[]
      readonly version?: readonly string[]
      readonly device?: readonly string[]
      readonly sep?: readonly string[]
      readonly bin?: readonly string[]
      readonly sn?: readonly string[]
      readonly pathsep?: readonly string[]
      readonly nl?: readonly string[]
      readonly tmp?: readonly string[]
      readonly dir?: readonly string[]
      readonly progenv?: readonly string[]
      readonly mudurl?: readonly string[]
      readonly modules?: readonly string[]
    }
  }
  PlanRollout: {
    readonly share?: number
    readonly max_failed?: number
    readonly max_failed_percent?: number
    readonly watch?: number
  }
  PlanStep: unknown
  PlanVersion: {
    readonly name: string
    readonly version: number
    readonly digest: string
    readonly runs_programs: boolean
    readonly created_at: string
    readonly created_by: string
    readonly approved_at: string | null
    readonly approved_by: string | null
  }
  WholePlanVersion: Schemas['PlanVersion'] & {
    readonly description?: string
    readonly credential?: 'new' | 'reuse'
    readonly applies_to?: {
      readonly devices?: readonly string[]
      readonly groups?: readonly string[]
      readonly models?: readonly string[]
    }
    readonly rules?: readonly Schemas['PlanRule'][]
    readonly priority?: number
    readonly rollout?: Schemas['PlanRollout']
    readonly steps: readonly Schemas['PlanStep'][]
  }
  PlanTrial: {
    readonly version: number
    readonly share: number
    readonly state: 'rolling' | 'stopped'
    readonly onboarded: number
    readonly failed: number
    readonly running: number
    readonly max_failed: number
    readonly max_failed_percent: number
    readonly watch: number
  }
  DryRun: {
    readonly device: string
    readonly plan: string
    readonly version: number
    readonly because: readonly {
      readonly plan: string
      readonly version: number | null
      readonly outcome: 'chosen' | 'passed-over' | 'not-for-it' | 'undecided'
      readonly because: string
    }[]
    readonly devmod_known: boolean
    readonly steps: readonly {
      readonly name: string
      readonly type: string
      readonly modules: readonly string[]
      readonly required: boolean
      readonly would: 'be-sent' | 'be-skipped' | 'fail' | 'depend-on-devmod'
      readonly problem: string | null
      readonly sent: Readonly<Record<string, unknown>>
    }[]
  }
  OnboardingProgress: {
    readonly device: string
    readonly guid: string
    readonly state: string
    readonly outcome: 'none' | 'running' | 'onboarded' | 'failed'
    readonly error: string | null
    readonly plan: { readonly name: string; readonly version: number } | null
    readonly message: number | null
    readonly rounds: number | null
    readonly received_bytes: number | null
    readonly steps: readonly {
      readonly name: string
      readonly state: 'waiting' | 'running' | 'done' | 'skipped' | 'failed'
      readonly module: string | null
      readonly reason: string | null
      readonly bytes: { readonly done: number; readonly total: number } | null
      readonly stdout: string | null
      readonly stderr: string | null
    }[]
    readonly steps_left: number | null
    readonly started_at: string | null
    readonly ended_at: string | null
    readonly updated_at: string | null
  }
  Content: { readonly ref: string; readonly length: number }
  Upload: {
    readonly id: number
    readonly device_id: string
    readonly name: string
    readonly length: number
    readonly created_at: string
  }
}

export interface Operations {
  'DELETE /audit/witnesses/{fingerprint}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /clients/{id}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /groups/{name}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /identity-providers/{id}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /inbox-tokens/{id}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /invitations/{id}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /keys/{id}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /order-issuers/{fingerprint}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /orders/{id}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /partners/{id}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /plan-contents/{ref}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /plans/{name}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /registrations/{guid}': {
    query: { forget?: 'true' | 'false' }
    json: undefined
    result: undefined
  }
  'DELETE /rendezvous-alarms/{guid}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /stations/{id}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /tokens/{id}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /transfer-rules/{id}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /vouchers/{guid}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'DELETE /webhooks/{id}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'GET /audit': {
    query: {
      limit?: number
      cursor?: string
      guid?: string
      device?: string
      type?: string
      since?: string
      until?: string
    }
    json: undefined
    result: { readonly items: readonly Schemas['AuditEntry'][]; readonly next: string | null }
  }
  'GET /audit/countersignatures': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['Countersignature'][]; readonly next: string | null }
  }
  'GET /audit/export': {
    query: { from?: number; limit?: number }
    json: undefined
    result: undefined
  }
  'GET /audit/head': {
    query: Record<never, never>
    json: undefined
    result: Schemas['AuditHead']
  }
  'GET /audit/witnesses': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['Witness'][]; readonly next: string | null }
  }
  'GET /audit/witnesses/{fingerprint}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Witness']
  }
  'GET /certificates': {
    query: {
      limit?: number
      cursor?: string
      device_id?: string
      status?: 'pending' | 'active' | 'superseded' | 'revoked'
    }
    json: undefined
    result: { readonly items: readonly Schemas['Certificate'][]; readonly next: string | null }
  }
  'GET /clients': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['Client'][]; readonly next: string | null }
  }
  'GET /clients/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Client']
  }
  'GET /devices': {
    query: {
      limit?: number
      cursor?: string
      state?:
        | 'manufactured'
        | 'owned'
        | 'registered'
        | 'onboarding'
        | 'onboarded'
        | 'failed'
        | 'handed-over'
        | 'retired'
      group?: string
      model?: string
      serial?: string
    }
    json: undefined
    result: { readonly items: readonly Schemas['DeviceSummary'][]; readonly next: string | null }
  }
  'GET /devices/{device}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Device']
  }
  'GET /devices/{device}/progress': {
    query: Record<never, never>
    json: undefined
    result: Schemas['OnboardingProgress']
  }
  'GET /devices/{device}/uploads': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['Upload'][]; readonly next: string | null }
  }
  'GET /groups': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['Group'][]; readonly next: string | null }
  }
  'GET /groups/{name}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Group']
  }
  'GET /identity-providers': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['IdentityProvider'][]; readonly next: string | null }
  }
  'GET /identity-providers/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['IdentityProvider']
  }
  'GET /inbox-tokens': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['InboxToken'][]; readonly next: string | null }
  }
  'GET /inbox-tokens/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['InboxToken']
  }
  'GET /invitations': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['Invitation'][]; readonly next: string | null }
  }
  'GET /invitations/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Invitation']
  }
  'GET /keys': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['Key'][]; readonly next: string | null }
  }
  'GET /keys/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Key']
  }
  'GET /onboardings': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: {
      readonly items: readonly Schemas['OnboardingProgress'][]
      readonly next: string | null
    }
  }
  'GET /openapi.json': {
    query: Record<never, never>
    json: undefined
    result: Readonly<Record<string, unknown>>
  }
  'GET /order-issuers': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['OrderIssuer'][]; readonly next: string | null }
  }
  'GET /order-issuers/{fingerprint}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['OrderIssuer']
  }
  'GET /order-shares/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['OrderShareWithDocument']
  }
  'GET /orders': {
    query: { limit?: number; cursor?: string; state?: 'draft' | 'open' | 'closed' }
    json: undefined
    result: { readonly items: readonly Schemas['Order'][]; readonly next: string | null }
  }
  'GET /orders/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Order']
  }
  'GET /orders/{id}/devices': {
    query: { limit?: number; cursor?: string; after?: number | null; format?: 'json' | 'csv' }
    json: undefined
    result: { readonly items: readonly Schemas['OrderDevice'][]; readonly next: string | null }
  }
  'GET /orders/{id}/shares': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['OrderShare'][]; readonly next: string | null }
  }
  'GET /owner-addresses': {
    query: Record<never, never>
    json: undefined
    result: { readonly addresses: readonly Schemas['OwnerAddress'][]; readonly is_default: boolean }
  }
  'GET /parties': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['Party'][]; readonly next: string | null }
  }
  'GET /partners': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['Partner'][]; readonly next: string | null }
  }
  'GET /partners/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Partner']
  }
  'GET /party': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Party']
  }
  'GET /plan-contents': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['Content'][]; readonly next: string | null }
  }
  'GET /plan-contents/{ref}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Content']
  }
  'GET /plans': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['Plan'][]; readonly next: string | null }
  }
  'GET /plans/{name}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Plan']
  }
  'GET /plans/{name}/rollout': {
    query: Record<never, never>
    json: undefined
    result: Schemas['PlanTrial']
  }
  'GET /plans/{name}/versions': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['PlanVersion'][]; readonly next: string | null }
  }
  'GET /plans/{name}/versions/{version}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['WholePlanVersion']
  }
  'GET /registrations': {
    query: { limit?: number; cursor?: string; owner_key?: string; state?: 'live' | 'ended' }
    json: undefined
    result: { readonly items: readonly Schemas['Registration'][]; readonly next: string | null }
  }
  'GET /registrations/{guid}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Registration']
  }
  'GET /rendezvous-alarms': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: {
      readonly items: readonly Schemas['RegistrationAlarm'][]
      readonly next: string | null
    }
  }
  'GET /rendezvous-alarms/{guid}': {
    query: Record<never, never>
    json: undefined
    result: { readonly items: readonly Schemas['RegistrationAlarm'][] }
  }
  'GET /rendezvous-info': {
    query: Record<never, never>
    json: undefined
    result: {
      readonly directives: readonly Schemas['RendezvousDirective'][]
      readonly is_default: boolean
      readonly hint: string | null
    }
  }
  'GET /rendezvous-policy': {
    query: Record<never, never>
    json: undefined
    result: {
      readonly anyone: boolean
      readonly allow: {
        readonly owner_keys: readonly string[]
        readonly manufacturer_keys: readonly string[]
        readonly device_cas: readonly string[]
      }
      readonly deny: {
        readonly owner_keys: readonly string[]
        readonly manufacturer_keys: readonly string[]
        readonly device_cas: readonly string[]
        readonly guids: readonly string[]
      }
      readonly waits: {
        readonly listed: { readonly default_seconds: number; readonly most_seconds: number }
        readonly others: { readonly default_seconds: number; readonly most_seconds: number }
      }
      readonly limits: {
        readonly source: { readonly per_second: number; readonly burst: number }
        readonly guid: { readonly per_second: number; readonly burst: number }
      }
      readonly is_default: boolean
    }
  }
  'GET /stations': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['Station'][]; readonly next: string | null }
  }
  'GET /stations/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Station']
  }
  'GET /tokens': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['ApiToken'][]; readonly next: string | null }
  }
  'GET /tokens/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['ApiToken']
  }
  'GET /transfer-profile': {
    query: Record<never, never>
    json: undefined
    result: Schemas['TransferProfile']
  }
  'GET /transfer-receipts': {
    query: { guid?: string }
    json: undefined
    result: { readonly items: readonly Schemas['TransferReceipt'][] }
  }
  'GET /transfer-rules': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['TransferRule'][]; readonly next: string | null }
  }
  'GET /transfer-rules/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['TransferRule']
  }
  'GET /transfer-sources': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['TransferSource'][]; readonly next: string | null }
  }
  'GET /transfer-sources/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['TransferSource']
  }
  'GET /transfers': {
    query: {
      limit?: number
      cursor?: string
      state?: 'waiting' | 'delivered' | 'failed'
      partner?: string
      guid?: string
    }
    json: undefined
    result: { readonly items: readonly Schemas['Transfer'][]; readonly next: string | null }
  }
  'GET /transfers/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Transfer']
  }
  'GET /trust-policy': {
    query: Record<never, never>
    json: undefined
    result: {
      readonly device_cas?: ('default' | 'any') | readonly string[]
      readonly manufacturer_keys?: 'any' | readonly string[]
      readonly rsa2048?: boolean
      readonly is_default: boolean
    }
  }
  'GET /uploads/{id}': {
    query: Record<never, never>
    json: undefined
    result: undefined
  }
  'GET /vouchers': {
    query: {
      limit?: number
      cursor?: string
      state?: 'held' | 'handed-over' | 'replaced' | 'used' | 'superseded' | 'left' | 'deleted'
      origin?: 'made' | 'imported' | 'onboarded'
      device_id?: string
      device_info?: string
      serial?: string
      since?: string
      until?: string
    }
    json: undefined
    result: { readonly items: readonly Schemas['VoucherSummary'][]; readonly next: string | null }
  }
  'GET /vouchers/export': {
    query: {
      state?: 'held' | 'handed-over' | 'replaced' | 'used' | 'superseded' | 'left' | 'deleted'
      origin?: 'made' | 'imported' | 'onboarded'
      device_id?: string
      device_info?: string
      serial?: string
      since?: string
      until?: string
      format?: 'tar.gz' | 'pem'
    }
    json: undefined
    result: undefined
  }
  'GET /vouchers/{guid}': {
    query: { format?: 'json' | 'pem' | 'cbor' }
    json: undefined
    result: Schemas['Voucher']
  }
  'GET /webhooks': {
    query: { limit?: number; cursor?: string }
    json: undefined
    result: { readonly items: readonly Schemas['Webhook'][]; readonly next: string | null }
  }
  'GET /webhooks/{id}': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Webhook']
  }
  'PATCH /clients/{id}': {
    query: Record<never, never>
    json: {
      readonly name?: string
      readonly scopes?: readonly string[]
      readonly disabled?: boolean
    }
    result: Schemas['Client']
  }
  'PATCH /devices/{device}': {
    query: Record<never, never>
    json: { readonly group: string }
    result: Schemas['Device']
  }
  'PATCH /groups/{name}': {
    query: Record<never, never>
    json: { readonly scopes: readonly ('device:whoami' | 'device:certificate')[] }
    result: Schemas['Group']
  }
  'PATCH /identity-providers/{id}': {
    query: Record<never, never>
    json: {
      readonly name?: string
      readonly claim?: string
      readonly roles?: Readonly<Record<string, readonly string[]>>
    }
    result: Schemas['IdentityProvider']
  }
  'PATCH /party': {
    query: Record<never, never>
    json: { readonly name: string }
    result: Schemas['Party']
  }
  'PATCH /plans/{name}/rollout': {
    query: Record<never, never>
    json: { readonly share?: number; readonly state?: 'rolling' | 'stopped' }
    result: Schemas['PlanTrial']
  }
  'PATCH /webhooks/{id}': {
    query: Record<never, never>
    json: { readonly url?: string; readonly types?: readonly string[]; readonly enabled?: boolean }
    result: Schemas['Webhook']
  }
  'POST /audit/countersignatures': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Countersignature']
  }
  'POST /audit/witnesses': {
    query: Record<never, never>
    json: { readonly name: string; readonly public_key: string }
    result: Schemas['Witness']
  }
  'POST /clients': {
    query: Record<never, never>
    json: { readonly name: string; readonly scopes: readonly string[]; readonly auth: unknown }
    result: Schemas['Client'] & { readonly client_secret?: string }
  }
  'POST /clients/{id}/rotate': {
    query: Record<never, never>
    json: { readonly auth?: unknown }
    result: Schemas['Client'] & { readonly client_secret?: string }
  }
  'POST /devices/{device}/dry-run': {
    query: Record<never, never>
    json: {
      readonly plan?: string
      readonly version?: number
      readonly document?: {
        readonly description?: string
        readonly credential?: 'new' | 'reuse'
        readonly applies_to?: {
          readonly devices?: readonly string[]
          readonly groups?: readonly string[]
          readonly models?: readonly string[]
        }
        readonly rules?: readonly Schemas['PlanRule'][]
        readonly priority?: number
        readonly rollout?: Schemas['PlanRollout']
        readonly steps: readonly Schemas['PlanStep'][]
      }
      readonly devmod?: {
        readonly os?: string
        readonly arch?: string
        readonly version?: string
        readonly device?: string
        readonly sep?: string
        readonly bin?: string
        readonly sn?: string
        readonly pathsep?: string
        readonly nl?: string
        readonly tmp?: string
        readonly dir?: string
        readonly progenv?: string
        readonly mudurl?: string
        readonly modules?: readonly string[]
      }
    }
    result: Schemas['DryRun']
  }
  'POST /devices/{device}/register': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Device']
  }
  'POST /devices/{device}/retire': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Device']
  }
  'POST /groups': {
    query: Record<never, never>
    json: {
      readonly name: string
      readonly scopes: readonly ('device:whoami' | 'device:certificate')[]
    }
    result: Schemas['Group']
  }
  'POST /identity-providers': {
    query: Record<never, never>
    json: {
      readonly name: string
      readonly issuer: string
      readonly audience: string
      readonly jwks_uri?: string
      readonly claim: string
      readonly roles: Readonly<Record<string, readonly string[]>>
    }
    result: Schemas['IdentityProvider']
  }
  'POST /identity-providers/{id}/test': {
    query: Record<never, never>
    json: { readonly token: string }
    result: Schemas['TokenTest']
  }
  'POST /inbox-tokens': {
    query: Record<never, never>
    json: { readonly name: string }
    result: Schemas['InboxToken'] & { readonly token: string }
  }
  'POST /invitations': {
    query: Record<never, never>
    json: {
      readonly name: string
      readonly roles: readonly ('manufacturer' | 'reseller' | 'owner')[]
      readonly ttl_seconds?: number
    }
    result: Schemas['Invitation'] & { readonly code: string }
  }
  'POST /keys': {
    query: { purpose?: 'owner' }
    json: Schemas['ProtectedKey']
    result: Schemas['Key']
  }
  'POST /keys/make': {
    query: Record<never, never>
    json: {
      readonly purpose: 'manufacturer' | 'owner'
      readonly type: 'p256' | 'p384' | 'rsa2048' | 'rsa3072'
    }
    result: Schemas['Key']
  }
  'POST /keys/{id}/rotate': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Key']
  }
  'POST /order-documents': {
    query: Record<never, never>
    json: {
      readonly document: string
      readonly issuer?: string
      readonly stations?: readonly string[]
      readonly name?: string
    }
    result: { readonly order: Schemas['Order']; readonly is_new: boolean }
  }
  'POST /order-shares/{id}/close': {
    query: Record<never, never>
    json: { readonly statement: string }
    result: Schemas['OrderShare']
  }
  'POST /order-shares/{id}/devices': {
    query: Record<never, never>
    json: {
      readonly devices: readonly {
        readonly voucher: string
        readonly serial: string
        readonly label: string
        readonly station: string | null
        readonly made_at: string
      }[]
    }
    result: {
      readonly items: readonly {
        readonly guid: string | null
        readonly ok: boolean
        readonly check: string | null
        readonly detail: string | null
      }[]
    }
  }
  'POST /orders': {
    query: Record<never, never>
    json: {
      readonly name: string
      readonly model?: string
      readonly quantity: number
      readonly expires_at: string
      readonly rendezvous_info?: readonly Schemas['RendezvousDirective'][]
      readonly first_owner?: string | readonly { readonly model?: string; readonly to: string }[]
      readonly stations?: readonly string[]
      readonly unique_serials?: boolean
      readonly label?: string
      readonly device_cas?: string
    }
    result: Schemas['Order']
  }
  'POST /orders/{id}/close': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Order']
  }
  'POST /orders/{id}/closing-statement': {
    query: Record<never, never>
    json: undefined
    result: { readonly share: string; readonly made: number; readonly statement: string }
  }
  'POST /orders/{id}/device-certificates': {
    query: Record<never, never>
    json: undefined
    result: {
      readonly items: readonly {
        readonly key: string
        readonly ok: boolean
        readonly detail: string | null
      }[]
    }
  }
  'POST /orders/{id}/open': {
    query: Record<never, never>
    json: { readonly force?: boolean }
    result: Schemas['Order']
  }
  'POST /orders/{id}/shares': {
    query: Record<never, never>
    json: {
      readonly line: string
      readonly quantity?: number
      readonly stations?: readonly string[]
      readonly expires_at?: string
    }
    result: Schemas['OrderShareWithDocument']
  }
  'POST /orders/{id}/try': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Order']
  }
  'POST /parties': {
    query: Record<never, never>
    json: undefined
    result: { readonly party: Schemas['Party']; readonly token: string }
  }
  'POST /parties/{id}/resume': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Party']
  }
  'POST /parties/{id}/suspend': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Party']
  }
  'POST /partners': {
    query: Record<never, never>
    json: {
      readonly name: string
      readonly did?: string | null
      readonly push_url?: string | null
      readonly pull_url?: string | null
      readonly token?: string | null
      readonly keys?: readonly string[]
    }
    result: Schemas['Partner']
  }
  'POST /partners/{id}/keys/{fingerprint}/challenge': {
    query: Record<never, never>
    json: undefined
    result: { readonly challenge: string; readonly expires_at: string }
  }
  'POST /partners/{id}/keys/{fingerprint}/proof': {
    query: Record<never, never>
    json: { readonly challenge: string; readonly signature: string }
    result: Schemas['Partner']
  }
  'POST /plan-contents': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Content']
  }
  'POST /plans': {
    query: Record<never, never>
    json: {
      readonly description?: string
      readonly credential?: 'new' | 'reuse'
      readonly applies_to?: {
        readonly devices?: readonly string[]
        readonly groups?: readonly string[]
        readonly models?: readonly string[]
      }
      readonly rules?: readonly Schemas['PlanRule'][]
      readonly priority?: number
      readonly rollout?: Schemas['PlanRollout']
      readonly steps: readonly Schemas['PlanStep'][]
      readonly name: string
    }
    result: Schemas['Plan']
  }
  'POST /plans/{name}/versions/{version}/approve': {
    query: Record<never, never>
    json: { readonly digest: string; readonly share?: number }
    result: Schemas['Plan']
  }
  'POST /stations': {
    query: Record<never, never>
    json: {
      readonly name: string
      readonly allow?: readonly string[]
      readonly client_cas?: string
      readonly secret?: boolean
      readonly listener?: 'http' | 'https'
    }
    result: Schemas['Station'] & { readonly secret: string | null; readonly di_url: string }
  }
  'POST /tokens': {
    query: Record<never, never>
    json: {
      readonly name: string
      readonly scopes: readonly string[]
      readonly ttl_seconds?: number
    }
    result: Schemas['ApiToken'] & { readonly token: string }
  }
  'POST /transfer-rules': {
    query: Record<never, never>
    json: { readonly model: string | null; readonly partner?: string; readonly party?: string }
    result: Schemas['TransferRule']
  }
  'POST /transfer-sources/{id}/pull': {
    query: Record<never, never>
    json: undefined
    result: Schemas['PullResult']
  }
  'POST /transfers': {
    query: Record<never, never>
    json: {
      readonly partner?: string
      readonly party?: string
      readonly vouchers: readonly string[]
      readonly key?: string
      readonly unproven?: boolean
    }
    result: {
      readonly items: readonly {
        readonly guid: string
        readonly ok: boolean
        readonly check: string | null
        readonly detail: string | null
        readonly transfer: string | null
      }[]
    }
  }
  'POST /transfers/{id}/retry': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Transfer']
  }
  'POST /vouchers': {
    query: Record<never, never>
    json: undefined
    result: {
      readonly items: readonly {
        readonly guid: string | null
        readonly ok: boolean
        readonly check: string | null
        readonly detail: string | null
        readonly name?: string
      }[]
    }
  }
  'POST /vouchers/{guid}/restore': {
    query: Record<never, never>
    json: undefined
    result: Schemas['Voucher']
  }
  'POST /vouchers/{guid}/sell': {
    query: Record<never, never>
    json: { readonly to: string; readonly unproven?: boolean }
    result: Schemas['Voucher']
  }
  'POST /webhooks': {
    query: Record<never, never>
    json: { readonly url: string; readonly types?: readonly string[] }
    result: Schemas['Webhook'] & { readonly secret: string }
  }
  'POST /webhooks/{id}/replay': {
    query: Record<never, never>
    json: { readonly from_seq: number } | { readonly since: string }
    result: Schemas['Webhook']
  }
  'POST /webhooks/{id}/test': {
    query: Record<never, never>
    json: undefined
    result: { readonly ok: boolean; readonly status: number | null; readonly error: string | null }
  }
  'PUT /owner-addresses': {
    query: Record<never, never>
    json: { readonly addresses: readonly Schemas['OwnerAddress'][] }
    result: { readonly addresses: readonly Schemas['OwnerAddress'][]; readonly is_default: boolean }
  }
  'PUT /partners/{id}': {
    query: Record<never, never>
    json: {
      readonly name: string
      readonly did?: string | null
      readonly push_url?: string | null
      readonly pull_url?: string | null
      readonly token?: string | null
      readonly keys?: readonly string[]
    }
    result: Schemas['Partner']
  }
  'PUT /plans/{name}': {
    query: Record<never, never>
    json: {
      readonly description?: string
      readonly credential?: 'new' | 'reuse'
      readonly applies_to?: {
        readonly devices?: readonly string[]
        readonly groups?: readonly string[]
        readonly models?: readonly string[]
      }
      readonly rules?: readonly Schemas['PlanRule'][]
      readonly priority?: number
      readonly rollout?: Schemas['PlanRollout']
      readonly steps: readonly Schemas['PlanStep'][]
      readonly version?: number
    }
    result: Schemas['Plan']
  }
  'PUT /rendezvous-info': {
    query: Record<never, never>
    json: { readonly directives: readonly Schemas['RendezvousDirective'][] }
    result: {
      readonly directives: readonly Schemas['RendezvousDirective'][]
      readonly is_default: boolean
      readonly hint: string | null
    }
  }
  'PUT /rendezvous-policy': {
    query: Record<never, never>
    json: Schemas['RendezvousPolicy']
    result: {
      readonly anyone: boolean
      readonly allow: {
        readonly owner_keys: readonly string[]
        readonly manufacturer_keys: readonly string[]
        readonly device_cas: readonly string[]
      }
      readonly deny: {
        readonly owner_keys: readonly string[]
        readonly manufacturer_keys: readonly string[]
        readonly device_cas: readonly string[]
        readonly guids: readonly string[]
      }
      readonly waits: {
        readonly listed: { readonly default_seconds: number; readonly most_seconds: number }
        readonly others: { readonly default_seconds: number; readonly most_seconds: number }
      }
      readonly limits: {
        readonly source: { readonly per_second: number; readonly burst: number }
        readonly guid: { readonly per_second: number; readonly burst: number }
      }
      readonly is_default: boolean
    }
  }
  'PUT /transfer-profile': {
    query: Record<never, never>
    json: { readonly public: boolean }
    result: Schemas['TransferProfile']
  }
  'PUT /transfer-sources/{id}': {
    query: Record<never, never>
    json: { readonly every_seconds: number | null }
    result: Schemas['TransferSource']
  }
  'PUT /trust-policy': {
    query: Record<never, never>
    json: Schemas['TrustPolicy']
    result: {
      readonly device_cas?: ('default' | 'any') | readonly string[]
      readonly manufacturer_keys?: 'any' | readonly string[]
      readonly rsa2048?: boolean
      readonly is_default: boolean
    }
  }
}
