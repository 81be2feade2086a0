/** Traces: what goes on from elsewhere, what is recorded, and what happens where nobody takes them. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import { loadConfig } from '../../../../src/config.ts'
import { createLog } from '../../../../src/log.ts'
import { tracingFrom } from '../../../../src/tracing/settings.ts'
import { CLIENT, SERVER, Tracer } from '../../../../src/tracing/tracer.ts'
import { parseTraceparent, traceparentOf } from '../../../../src/tracing/traceparent.ts'
import { Collector } from '../../../support/collector.ts'

const TRACE = 'ab'.repeat(16)
const SPAN = 'cd'.repeat(8)

describe('a traceparent', () => {
  it('is read, and written the same', () => {
    const header = `00-${TRACE}-${SPAN}-01`
    const context = { traceId: TRACE, spanId: SPAN, isSampled: true }
    expect(parseTraceparent(header)).toEqual(context)
    expect(traceparentOf(context)).toBe(header)
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)?.isSampled).toBe(false)
    expect(parseTraceparent(`cc-${TRACE}-${SPAN}-01-what-comes-later`)).toEqual(context)
  })

  it.each([
    undefined,
    '',
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}`,
  ])('is none: %s', (header) => {
    expect(parseTraceparent(header)).toBeUndefined()
  })

  it('from anywhere breaks nothing', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        const parsed = parseTraceparent(header)
        if (parsed) expect(parsed.traceId).toMatch(/^[0-9a-f]{32}$/)
      }),
    )
  })
})

describe('where traces go', () => {
  const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT'

  it('is said by the variables that others have, too', () => {
    expect(tracingFrom({})).toBeUndefined()
    expect(
      tracingFrom({ [ENDPOINT]: 'http://otel:4318/', OTEL_SDK_DISABLED: 'true' }),
    ).toBeUndefined()
    expect(
      tracingFrom({
        [ENDPOINT]: 'http://otel:4318/',
        OTEL_EXPORTER_OTLP_HEADERS: 'X-Key=a%3Db, other = c=d',
        OTEL_SERVICE_NAME: 'plant-7',
        OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
        OTEL_TRACES_SAMPLER_ARG: '0.25',
      }),
    ).toEqual({
      url: 'http://otel:4318/v1/traces',
      headers: { 'x-key': 'a=b', other: 'c=d' },
      serviceName: 'plant-7',
      share: 0.25,
    })
    const exact = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://otel/x' }
    expect(tracingFrom(exact)).toMatchObject({ url: 'https://otel/x', share: 1 })
  })

  it.each([
    [{ [ENDPOINT]: 'otel:4318' }, ENDPOINT],
    [
      { [ENDPOINT]: 'http://otel', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      'OTEL_EXPORTER_OTLP_PROTOCOL',
    ],
    [
      { [ENDPOINT]: 'http://otel', OTEL_EXPORTER_OTLP_HEADERS: 'key' },
      'OTEL_EXPORTER_OTLP_HEADERS',
    ],
    [{ [ENDPOINT]: 'http://otel', OTEL_TRACES_SAMPLER: 'jaeger_remote' }, 'OTEL_TRACES_SAMPLER'],
    [
      {
        [ENDPOINT]: 'http://otel',
        OTEL_TRACES_SAMPLER: 'traceidratio',
        OTEL_TRACES_SAMPLER_ARG: '2',
      },
      'OTEL_TRACES_SAMPLER',
    ],
  ])('stops the start where it makes no sense: %j', (variables, name) => {
    expect(() => loadConfig(variables)).toThrow(name)
  })
})

describe('a tracer', () => {
  const clock = new FakeClock()
  let collector: Collector
  let url: string
  let warnings: string[]
  beforeEach(async () => {
    collector = new Collector()
    url = await collector.listen()
    warnings = []
  })
  afterEach(() => collector.close())

  const log = createLog('warn', { write: (line) => void warnings.push(JSON.parse(line).reason) })
  const opened = (share = 1, to = url) => {
    const settings = { url: `${to}/v1/traces`, headers: { 'x-key': 'k' }, serviceName: 's', share }
    return new Tracer({ clock, log, settings })
  }

  it('sends what has ended, with what went before it elsewhere', async () => {
    const tracer = opened()
    const traceparent = `00-${TRACE}-${SPAN}-01`
    const span = tracer.begin({ name: 'fdo.TO2', kind: SERVER, traceparent })
    clock.advance(1_500)
    span?.end(
      { 'fdo.messages': 3, 'fdo.guid': undefined, 'fdo.outcome': 'failed' },
      'no such voucher',
    )
    await tracer.stop()
    const [sent] = collector.spans
    expect(sent).toMatchObject({ traceId: TRACE, parentSpanId: SPAN, name: 'fdo.TO2', kind: 2 })
    expect(sent?.status).toEqual({ code: 2, message: 'no such voucher' })
    const lasted = BigInt(sent?.endTimeUnixNano ?? 0) - BigInt(sent?.startTimeUnixNano ?? 0)
    expect(lasted).toBe(1_500_000_000n)
    expect(sent?.attributes.map(({ key }) => key)).toEqual(['fdo.messages', 'fdo.outcome'])
    expect(collector.headers).toMatchObject([{ 'x-key': 'k', path: '/v1/traces' }])
    expect(collector.services).toEqual(['s'])
  })

  it('records what whoever began it records, and of its own the share that is wanted', async () => {
    const tracer = opened(0)
    const begin = (traceparent?: string) => tracer.begin({ name: 'x', kind: CLIENT, traceparent })
    expect(begin()).toBeUndefined()
    expect(begin(`00-${TRACE}-${SPAN}-01`)).toBeDefined()
    const all = opened(1)
    expect(
      all.begin({ name: 'x', kind: CLIENT, traceparent: `00-${TRACE}-${SPAN}-00` }),
    ).toBeUndefined()
    const half = opened(0.5)
    const chosen = Array.from({ length: 400 }, () => half.begin({ name: 'x', kind: CLIENT }))
    expect(chosen.filter((one) => one !== undefined).length).toBeGreaterThan(100)
    expect(chosen.filter((one) => one !== undefined).length).toBeLessThan(300)
    for (const one of [tracer, all, half]) await one.stop()
  })

  it('waits for no collector, and says once a minute that spans are lost', async () => {
    collector.status = 503
    const tracer = opened()
    for (let i = 0; i < 3; i++) {
      tracer.begin({ name: 'x', kind: CLIENT })?.end({})
      await tracer.flush()
    }
    expect(warnings).toEqual(['status 503'])
    await tracer.stop()
    const nobody = opened(1, 'http://127.0.0.1:1')
    nobody.begin({ name: 'x', kind: CLIENT })?.end({})
    await nobody.stop()
    expect(warnings).toHaveLength(2)
  })

  it('keeps no more than so many', async () => {
    collector.status = 503
    const tracer = opened()
    for (let i = 0; i < 10_000; i++) tracer.begin({ name: 'x', kind: CLIENT })?.end({})
    await tracer.stop()
    expect(warnings).toEqual(['spans come faster than they are taken'])
  })
})
