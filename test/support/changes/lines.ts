/** A service that is its own line: what it gives that of an order, and gets back. */
import { hash } from 'node:crypto'
import { HOME_PARTY } from '../../../src/database/tables.ts'
import { MANUFACTURER } from '../../../src/manufacturing/keys.ts'
import { makeAt, officeOf } from '../factory.ts'
import { broughtBy } from '../lines.ts'
import type { Change, ChangingWorld } from './world.ts'

export const lineChanges = (world: ChangingWorld): readonly Change[] => {
  const { api, must, keep, known } = world
  return [
    {
      operation: 'POST /orders/{id}/shares',
      told: ['order-shared'],
      given: async () => {
        const wanted = { name: 'PO-3', quantity: 2, expires_at: '2999-01-01T00:00:00Z' }
        const { id = '' } = await must('POST', '/orders', wanted)
        await must('POST', `/orders/${id}/open`, { force: true })
        const ring = world.service.service.services.keyStore.ring(HOME_PARTY)
        const { key } = await ring.signer(MANUFACTURER, 'p256')
        Object.assign(known, { placed: id, line: hash('sha256', key.spki, 'hex') })
        const station = await must('POST', '/stations', { name: 'offline', secret: true })
        Object.assign(known, { station: station['id'], at: station['di_url'] })
      },
      perform: () => {
        const { line, placed } = known
        const answer = api('POST', `/orders/${placed}/shares`, { line })
        return keep({ share: 'id', document: 'document' }, answer)
      },
    },
    {
      operation: 'POST /order-documents',
      told: ['order-issuer-trusted', 'order-imported'],
      perform: async () => {
        const { document, line: issuer, station } = known
        const wanted = { document, issuer, stations: [station], name: 'PO-3 as the line has it' }
        const answer = await api('POST', '/order-documents', wanted)
        known['taken'] = (answer.json as { order: { id: string } }).order.id
        return answer
      },
    },
    {
      operation: 'POST /order-shares/{id}/devices',
      // Its voucher is here already: as the line, this service has made it.
      told: ['order-device-counted'],
      given: () => makeAt(known['at'] ?? ''),
      perform: async () => {
        const devices = await broughtBy(officeOf(world.service), known['taken'] ?? '')
        return api('POST', `/order-shares/${known['share']}/devices`, { devices })
      },
    },
    {
      operation: 'POST /order-shares/{id}/close',
      told: ['order-share-closed'],
      given: async () => {
        await must('POST', `/orders/${known['taken']}/close`)
        const said = await must('POST', `/orders/${known['taken']}/closing-statement`)
        known['statement'] = said['statement'] ?? ''
      },
      perform: () =>
        api('POST', `/order-shares/${known['share']}/close`, { statement: known['statement'] }),
    },
    {
      operation: 'DELETE /order-issuers/{fingerprint}',
      told: ['order-issuer-removed'],
      perform: () => api('DELETE', `/order-issuers/${known['line']}`),
    },
    {
      operation: 'POST /devices/{device}/retire',
      told: ['device-retired', 'voucher-deleted'],
      given: async () => {
        const [device] = await officeOf(world.service).devices(known['placed'] ?? '')
        known['device'] = device?.device_id ?? ''
      },
      perform: () => api('POST', `/devices/${known['device']}/retire`),
    },
  ]
}
