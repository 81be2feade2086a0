/** One trace through device, rendezvous and owner; and the owner's registration at the rendezvous. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { within } from '../../src/tracing/current.ts'
import { Collector, type CollectedSpan } from '../support/collector.ts'
import { until } from '../support/programs.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'
import { deviceIn, make, powerUp } from '../support/simulated.ts'

const collector = new Collector()
const folder = mkdtempSync(join(tmpdir(), 'firstlight-trace-'))
let world: TestService

beforeAll(async () => {
  world = await startTestService({ OTEL_EXPORTER_OTLP_ENDPOINT: await collector.listen() })
}, PATIENCE_MS)
afterAll(async () => {
  await world.remove()
  collector.close()
  rmSync(folder, { recursive: true })
})

const named = (name: string, kind: number) => (one: CollectedSpan) =>
  one.name === name && one.kind === kind

it(
  'is whole from the device on, and from the owner to the rendezvous',
  async () => {
    const device = deviceIn(folder, 'device')
    const guid = await make(world.service.http ?? '', 'SN-1', device)
    await until('it is registered', async () => {
      const { json } = await world.api('GET', `/api/v1/devices/${guid}`)
      return (json as { state: string }).state === 'registered'
    })
    const context = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), isSampled: true }
    expect(await within(context, () => powerUp(device))).toMatchObject({ result: 'onboarded' })
    await world.stop()

    const { spans } = collector
    const below = { traceId: context.traceId, parentSpanId: context.spanId }
    for (const name of ['fdo.TO1', 'fdo.TO2']) {
      const span = spans.find(named(name, 2))
      expect(span).toMatchObject(below)
      expect([collector.said(span, 'fdo.guid'), collector.said(span, 'fdo.outcome')]).toEqual([
        guid,
        'done',
      ])
    }
    const asking = spans.find(named('fdo.TO0', 3))
    expect(collector.said(asking, 'fdo.guid')).toBe(guid)
    const { traceId, spanId } = asking!
    expect(spans.find(named('fdo.TO0', 2))).toMatchObject({ traceId, parentSpanId: spanId })
    const made = spans.find(named('fdo.DI', 2))
    expect(made?.parentSpanId).toBeUndefined()
    expect(collector.said(made, 'fdo.messages')).toBe('2')
  },
  PATIENCE_MS,
)
