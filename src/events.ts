/**
 * Business events, one member each: what happened is said once, and counted and logged from here.
 * Facts name things by their ids, never by their secrets.
 */
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

export interface Facts {
  deviceManufactured: {
    guid: string
    device: string
    serial: string | null
    /** Null for one made without an order. */
    order: string | null
  }
  stationAdded: { station: string; name: string; by: string }
  stationRemoved: { station: string; by: string }
  orderCreated: { order: string; name: string; quantity: number; by: string }
  /** `forced`: although its rendezvous info was tried and did not answer. */
  orderOpened: { order: string; forced: boolean; by: string }
  orderClosed: { order: string; by: string }
  orderDeleted: { order: string; by: string }
  orderShared: { order: string; share: string; quantity: number; by: string }
  orderShareClosed: { share: string; given_back: number; by: string }
  /** At a line. */
  orderImported: { order: string; share: string; issuer: string; by: string }
  orderIssuerTrusted: { issuer: string; party: string; by: string }
  orderIssuerForgotten: { issuer: string; party: string; by: string }
  voucherImported: { guid: string; device: string; by: string }
  voucherExtended: { guid: string; to: string }
  voucherDeleted: { guid: string; by: string }
  deviceRetired: { device: string; by: string }
  trustPolicyChanged: { party: string; by: string }
  voucherReceived: { guid: string; party: string; from: string }
  voucherDelivered: { guid: string; party: string; partner: string }
  partnerKeyProven: { party: string; partner: string; key: string; by: string }
  voucherNotDelivered: { guid: string; party: string; partner: string; reason: string }
  registrationMade: { guid: string; rendezvous: string; seconds: number }
  registrationFailed: { guid: string; rendezvous: string; reason: string }
  deviceRegistered: { guid: string; seconds: number }
  deviceRedirected: { guid: string }
  /** By a former owner, whose key it is: see rendezvous-alarms. */
  registrationRefused: { guid: string; owner: string; source: string; reason: string }
  /** By a token or, by its fingerprint, the owner's key. */
  registrationWithdrawn: { guid: string; by: string }
  registrationForgotten: { guid: string; by: string }
  rendezvousPolicyChanged: { by: string }
  onboardingStarted: { guid: string; device: string }
  deviceOnboarded: { guid: string; device: string; previousGuid: string }
  /** It shows a credential that was signed after the back-up this service was restored from. */
  deviceMovedOn: { device: string; serial: string; since: string }
  onboardingFailed: { guid: string; device: string; reason: string }
  planChanged: { party: string; plan: string; version: number; by: string }
  planApproved: { party: string; plan: string; version: number; by: string }
  planRolloutChanged: {
    party: string
    plan: string
    version: number
    share: number
    state: string
    by: string
  }
  /** By itself: too many devices have failed with it. */
  planStopped: { party: string; plan: string; version: number; failed: number; onboarded: number }
  planRemoved: { party: string; plan: string; by: string }
  certificateIssued: { serial: string; device: string; profile: string }
  accessTokenIssued: { device: string; scopes: string }
  clientTokenIssued: { client: string; party: string; scopes: string }
  clientAdded: { client: string; name: string; scopes: string; method: string; by: string }
  clientChanged: { client: string; what: 'changed' | 'disabled' | 'rotated'; by: string }
  clientRemoved: { client: string; by: string }
  identityProviderAdded: { provider: string; issuer: string; audience: string; by: string }
  identityProviderChanged: { provider: string; by: string }
  identityProviderRemoved: { provider: string; by: string }
  keyMade: { key: string; purpose: string; type: string; by: string }
  keyImported: { key: string; purpose: string; by: string }
  keyRotated: { key: string; replaces: string; purpose: string; by: string }
  keyRemoved: { key: string; purpose: string; by: string }
  apiTokenCreated: { token: string; name: string; scopes: string; by: string }
  apiTokenRevoked: { token: string; by: string }
  inboxTokenCreated: { token: string; party: string; name: string; by: string }
  inboxTokenRevoked: { token: string; party: string; by: string }
}

export type Events = { readonly [Name in keyof Facts]: (facts: Facts[Name]) => void }

const NAMES: Record<keyof Facts, string> = {
  deviceManufactured: 'device-manufactured',
  stationAdded: 'station-added',
  stationRemoved: 'station-removed',
  orderCreated: 'order-created',
  orderOpened: 'order-opened',
  orderClosed: 'order-closed',
  orderDeleted: 'order-deleted',
  orderShared: 'order-shared',
  orderShareClosed: 'order-share-closed',
  orderImported: 'order-imported',
  orderIssuerTrusted: 'order-issuer-trusted',
  orderIssuerForgotten: 'order-issuer-forgotten',
  voucherImported: 'voucher-imported',
  voucherExtended: 'voucher-extended',
  voucherDeleted: 'voucher-deleted',
  deviceRetired: 'device-retired',
  trustPolicyChanged: 'trust-policy-changed',
  voucherReceived: 'voucher-received',
  voucherDelivered: 'voucher-delivered',
  partnerKeyProven: 'partner-key-proven',
  voucherNotDelivered: 'voucher-not-delivered',
  registrationMade: 'registration-made',
  registrationFailed: 'registration-failed',
  deviceRegistered: 'device-registered',
  deviceRedirected: 'device-redirected',
  registrationRefused: 'registration-refused',
  registrationWithdrawn: 'registration-withdrawn',
  registrationForgotten: 'registration-forgotten',
  rendezvousPolicyChanged: 'rendezvous-policy-changed',
  onboardingStarted: 'onboarding-started',
  deviceOnboarded: 'device-onboarded',
  deviceMovedOn: 'device-moved-on',
  onboardingFailed: 'onboarding-failed',
  planChanged: 'plan-changed',
  planApproved: 'plan-approved',
  planRolloutChanged: 'plan-rollout-changed',
  planStopped: 'plan-stopped',
  planRemoved: 'plan-removed',
  certificateIssued: 'certificate-issued',
  accessTokenIssued: 'access-token-issued',
  clientTokenIssued: 'client-token-issued',
  clientAdded: 'client-added',
  clientChanged: 'client-changed',
  clientRemoved: 'client-removed',
  identityProviderAdded: 'identity-provider-added',
  identityProviderChanged: 'identity-provider-changed',
  identityProviderRemoved: 'identity-provider-removed',
  keyMade: 'key-made',
  keyImported: 'key-imported',
  keyRotated: 'key-rotated',
  keyRemoved: 'key-removed',
  apiTokenCreated: 'api-token-created',
  apiTokenRevoked: 'api-token-revoked',
  inboxTokenCreated: 'inbox-token-created',
  inboxTokenRevoked: 'inbox-token-revoked',
}

/** Those of a single device come by the thousand. */
const FREQUENT = new Set<string>([
  'deviceRedirected',
  'onboardingStarted',
  'accessTokenIssued',
  'clientTokenIssued',
])

export function createEvents(log: Log, metrics?: Metrics): Events {
  const entries = Object.entries(NAMES).map(([member, event]) => {
    const level = FREQUENT.has(member) ? 'debug' : 'info'
    const record = (facts: object) => {
      metrics?.countEvent(event)
      log[level]({ event, ...facts }, event)
    }
    return [member, record] as const
  })
  return Object.fromEntries(entries) as unknown as Events
}
