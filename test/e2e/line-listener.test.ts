/** A station that is bound to a listener, over both of them. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CLOSED_DOOR, makeAt, officeOf, refusal } from '../support/factory.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

let service: TestService
beforeAll(async () => {
  service = await startTestService({ ...CLOSED_DOOR, FIRSTLIGHT_TLS_PORT: '0' })
}, PATIENCE_MS)
afterAll(() => service.remove(), PATIENCE_MS)

it('is told, and let in, by that alone', { timeout: PATIENCE_MS }, async () => {
  const office = officeOf(service)
  const { id, di_url } = await office.addStation({ secret: true, listener: 'https' })
  const { pathname, protocol } = new URL(di_url)
  expect(protocol).toBe('https:')
  expect(await office.must('GET', `/stations/${id}`)).toMatchObject({ listener: 'https' })
  await office.open({ stations: [id], quantity: 2 }, true)
  const { https, http } = service.service
  const trusting = { http: { tls: { rejectUnauthorized: false } } }
  await makeAt(`${https}${pathname}`, trusting)
  await expect(makeAt(`${http}${pathname}`)).rejects.toMatchObject(refusal())
})
