/** A service that places orders, and one that is a line of its own, both in this process. */
import { hash } from 'node:crypto'
import { MANUFACTURER } from '../../src/manufacturing/keys.ts'
import { CLOSED_DOOR, type DeviceJson, type OrderJson, officeOf } from './factory.ts'
import { type TestService, startTestService } from './service.ts'

type Office = ReturnType<typeof officeOf>

export interface ShareJson {
  readonly id: string
  readonly quantity: number
  readonly made: number
  readonly reserved: number
  readonly state: string
  readonly document: string
}

export interface ResultJson {
  readonly guid: string | null
  readonly ok: boolean
  readonly check: string | null
  readonly detail: string | null
}

/** A device as its line hands it over. */
export interface BroughtJson {
  readonly voucher: string
  readonly serial: string
  readonly label: string
  readonly station: string | null
  readonly made_at: string
}

export async function startLines() {
  const [center, plant] = await Promise.all([
    startTestService({ ...CLOSED_DOOR, FIRSTLIGHT_TRUST: 'any' }),
    startTestService({ ...CLOSED_DOOR, FIRSTLIGHT_ROLES: 'manufacturer' }),
  ])
  const central = officeOf(center)
  const line = officeOf(plant)
  return {
    ...{ center, plant, central, line },
    lineKey: await keyOf(plant),
    issuer: await keyOf(center),
    remove: async () => {
      await Promise.all([center.remove(), plant.remove()])
    },
  }
}

/** By which a service signs orders, and is known as a line. */
export async function keyOf({ service }: TestService, party = 'fdop_home'): Promise<string> {
  const ring = service.services.keyStore.ring(party)
  const { key } = await ring.signer(MANUFACTURER, 'p256')
  return hash('sha256', key.spki, 'hex')
}

export const share = (central: Office, order: string, body: object) =>
  central.must<ShareJson>('POST', `/orders/${order}/shares`, body)

export const takeIn = async (line: Office, document: string, more: object = {}) =>
  (await line.must<{ order: OrderJson }>('POST', '/order-documents', { document, ...more })).order

/** What a line has to bring of an order, read by its own API. */
export async function broughtBy(line: Office, order: string): Promise<BroughtJson[]> {
  const { items } = await line.must<{ items: (DeviceJson & BroughtJson)[] }>(
    'GET',
    `/orders/${order}/devices?limit=500`,
  )
  return Promise.all(
    items.map(async ({ guid, serial, label, station, made_at }) => {
      const { text } = await line.call('GET', `/vouchers/${guid}?format=pem`)
      const voucher = text.replaceAll(/-----[^-]+-----|\s/g, '')
      return { serial, label, station, made_at, voucher }
    }),
  )
}

export async function handOver(
  central: Office,
  id: string,
  devices: readonly BroughtJson[],
): Promise<ResultJson[]> {
  const path = `/order-shares/${id}/devices`
  return (await central.must<{ items: ResultJson[] }>('POST', path, { devices })).items
}
