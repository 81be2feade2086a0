/** Whatever the management API does, a command does: an operation that is new fails here without. */
import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { firstlight } from '../support/programs.ts'

/** For programs only, and why. */
const WITHOUT: Readonly<Record<string, string>> = {
  getOpenapiJson: 'read by those who write programs',
}

/** By operationId. */
const COMMANDS: Readonly<Record<string, string>> = {
  getParty: 'party show',
  patchParty: 'party rename',
  getParties: 'party list',
  postParties: 'party join',
  postPartiesIdSuspend: 'party suspend',
  postPartiesIdResume: 'party resume',
  getInvitations: 'party invitations',
  postInvitations: 'party invite',
  getInvitationsId: 'party invitations',
  deleteInvitationsId: 'party withdraw',
  getTokens: 'token list',
  postTokens: 'token create',
  getTokensId: 'token list',
  deleteTokensId: 'token revoke',
  getClients: 'client list',
  postClients: 'client add',
  getClientsId: 'client get',
  patchClientsId: 'client set',
  deleteClientsId: 'client remove',
  postClientsIdRotate: 'client rotate',
  getIdentityProviders: 'identity-provider list',
  postIdentityProviders: 'identity-provider add',
  getIdentityProvidersId: 'identity-provider get',
  patchIdentityProvidersId: 'identity-provider set',
  deleteIdentityProvidersId: 'identity-provider remove',
  postIdentityProvidersIdTest: 'identity-provider test',
  getKeys: 'key list',
  postKeys: 'key import',
  postKeysMake: 'key make',
  getKeysId: 'key show',
  postKeysIdRotate: 'key rotate',
  deleteKeysId: 'key remove',
  getAudit: 'audit list',
  getAuditHead: 'audit head',
  getAuditExport: 'audit export',
  getAuditCountersignatures: 'audit countersignatures',
  postAuditCountersignatures: 'audit witness',
  getAuditWitnesses: 'audit witnesses list',
  postAuditWitnesses: 'audit witnesses add',
  getAuditWitnessesFingerprint: 'audit witnesses list',
  deleteAuditWitnessesFingerprint: 'audit witnesses remove',
  getWebhooks: 'webhook list',
  postWebhooks: 'webhook add',
  getWebhooksId: 'webhook get',
  patchWebhooksId: 'webhook set',
  deleteWebhooksId: 'webhook remove',
  postWebhooksIdReplay: 'webhook replay',
  postWebhooksIdTest: 'webhook test',
  postVouchers: 'voucher import',
  getVouchers: 'voucher list',
  getVouchersExport: 'voucher export',
  getVouchersGuid: 'voucher export',
  deleteVouchersGuid: 'voucher delete',
  postVouchersGuidSell: 'voucher sell',
  postVouchersGuidRestore: 'voucher restore',
  getTrustPolicy: 'voucher trust',
  putTrustPolicy: 'voucher trust',
  getDevices: 'device list',
  getDevicesDevice: 'device get',
  patchDevicesDevice: 'group assign',
  postDevicesDeviceRegister: 'device register',
  postDevicesDeviceRetire: 'device retire',
  getGroups: 'group list',
  postGroups: 'group add',
  getGroupsName: 'group get',
  patchGroupsName: 'group set',
  deleteGroupsName: 'group remove',
  getRendezvousInfo: 'setting rendezvous-info',
  putRendezvousInfo: 'setting rendezvous-info',
  getOwnerAddresses: 'setting owner-addresses',
  putOwnerAddresses: 'setting owner-addresses',
  getCertificates: 'certificate list',
  getPartners: 'partner list',
  postPartners: 'partner add',
  getPartnersId: 'partner show',
  putPartnersId: 'partner replace',
  deletePartnersId: 'partner remove',
  postKeyProofs: 'key prove',
  postPartnersIdKeysFingerprintChallenge: 'partner challenge',
  postPartnersIdKeysFingerprintProof: 'partner prove',
  getInboxTokens: 'inbox list',
  postInboxTokens: 'inbox create',
  getInboxTokensId: 'inbox list',
  deleteInboxTokensId: 'inbox revoke',
  getTransfers: 'transfer list',
  postTransfers: 'transfer send',
  getTransfersId: 'transfer show',
  postTransfersIdRetry: 'transfer retry',
  getTransferRules: 'transfer rule list',
  postTransferRules: 'transfer rule add',
  getTransferRulesId: 'transfer rule list',
  deleteTransferRulesId: 'transfer rule remove',
  getTransferSources: 'transfer sources',
  getTransferSourcesId: 'transfer sources',
  putTransferSourcesId: 'transfer schedule',
  postTransferSourcesIdPull: 'transfer pull',
  getTransferReceipts: 'transfer receipts',
  getTransferProfile: 'transfer profile',
  putTransferProfile: 'transfer profile',
  getRegistrations: 'registration list',
  getRegistrationsGuid: 'registration get',
  deleteRegistrationsGuid: 'registration withdraw',
  getRendezvousAlarms: 'registration alarms',
  getRendezvousAlarmsGuid: 'registration alarms',
  deleteRendezvousAlarmsGuid: 'registration dismiss',
  getRendezvousPolicy: 'registration policy',
  putRendezvousPolicy: 'registration policy',
  postStations: 'station add',
  getStations: 'station list',
  getStationsId: 'station show',
  deleteStationsId: 'station remove',
  postOrders: 'order create',
  getOrders: 'order list',
  getOrdersId: 'order show',
  deleteOrdersId: 'order delete',
  postOrdersIdTry: 'order try',
  postOrdersIdOpen: 'order open',
  postOrdersIdClose: 'order close',
  getOrdersIdDevices: 'order devices',
  postOrdersIdDeviceCertificates: 'order certificates',
  getOrdersIdShares: 'order shares',
  postOrdersIdShares: 'order export',
  getOrderSharesId: 'order export',
  postOrderSharesIdDevices: 'order hand-over',
  postOrderSharesIdClose: 'order hand-over',
  postOrderDocuments: 'order import',
  postOrdersIdClosingStatement: 'order hand-over',
  getOrderIssuers: 'order issuer list',
  getOrderIssuersFingerprint: 'order issuer list',
  deleteOrderIssuersFingerprint: 'order issuer remove',
  getPlans: 'plan list',
  postPlans: 'plan put',
  getPlansName: 'plan get',
  putPlansName: 'plan put',
  deletePlansName: 'plan remove',
  getPlansNameVersions: 'plan versions',
  getPlansNameVersionsVersion: 'plan get',
  postPlansNameVersionsVersionApprove: 'plan approve',
  getPlansNameRollout: 'plan rollout',
  patchPlansNameRollout: 'plan rollout',
  postDevicesDeviceDryRun: 'plan dry-run',
  getDevicesDeviceProgress: 'watch',
  getOnboardings: 'watch',
  getPlanContents: 'plan contents',
  getPlanContentsRef: 'plan contents',
  postPlanContents: 'plan bring',
  deletePlanContentsRef: 'plan discard',
  getDevicesDeviceUploads: 'plan uploads',
  getUploadsId: 'plan uploads',
}

/** Every command, as the completion knows it: its options. */
const options = new Map<string, readonly string[]>()
let operations: string[]

beforeAll(async () => {
  const { stdout } = await firstlight(['completion', 'bash'])
  for (const [, path = '', words = ''] of stdout.matchAll(/^ +'([^']*)'\) words='([^']*)'/gm)) {
    options.set(path, words.split(' '))
  }
  const golden = readFileSync('fixtures/golden/openapi.json', 'utf8')
  const { paths } = JSON.parse(golden) as {
    paths: Record<string, Record<string, { operationId: string }>>
  }
  operations = Object.values(paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  )
})

describe('every operation of the management API', () => {
  it('has a command, or it is said why not', () => {
    const covered = [...Object.keys(COMMANDS), ...Object.keys(WITHOUT)]
    expect(covered.toSorted()).toEqual(operations.toSorted())
  })

  it('has one that is there, completes, and prints JSON', () => {
    for (const command of Object.values(COMMANDS)) {
      expect([command, options.get(command)?.includes('--json')]).toEqual([command, true])
    }
  })
})

describe('every command', () => {
  it('takes --json, but for what runs on', () => {
    const groups = (path: string) => [...options.keys()].some((one) => one.startsWith(`${path} `))
    const single = [...options].filter(([path]) => path !== '' && !groups(path))
    const without = single.filter(([, words]) => !words.includes('--json')).map(([path]) => path)
    expect(without).toEqual([])
  })
})
