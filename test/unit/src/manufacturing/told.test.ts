/** What the log, and so each webhook, is told of a device made to an order. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { deviceDetail, labelOf } from '../../../../src/manufacturing/orders/told.ts'

const order = { id: 'fdoo_1', name: 'PO-1', label: '{order} {number} {serial}' }
const device = { guid: 'g', serial: 'S', model: 'M', number: 7, station: 'line', label: null }

it('is the order, the number, the station and the label', () => {
  const detail = { order: 'fdoo_1', order_name: 'PO-1', number: 7, station: 'line' }
  expect(deviceDetail(order, device)).toEqual({ ...detail, label: 'PO-1 7 S' })
})

it('has the label that was printed, where another service has printed it', () => {
  expect(labelOf(order, { ...device, label: 'as printed' })).toBe('as printed')
})

it('is short enough for the log, whatever devices are called', () => {
  const serial = fc.string({ unit: fc.constantFrom('a', '\u0001', 'é', '"'), maxLength: 512 })
  fc.assert(
    fc.property(serial, fc.integer({ min: 0, max: 100 }), (text, times) => {
      const named = { ...order, label: '{serial}'.repeat(times) }
      const detail = deviceDetail(named, { ...device, serial: text })
      expect(JSON.stringify(detail).length).toBeLessThan(2_500)
    }),
  )
})
