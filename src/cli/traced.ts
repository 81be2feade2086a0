/** What a command does as one trace, where OpenTelemetry's variables say that it goes somewhere. */
import { CliFailure } from './failure.ts'
import { within } from '../tracing/current.ts'
import { type TracingSettings, tracingFrom } from '../tracing/settings.ts'

interface Ended {
  readonly guid: string
  readonly result: string
  readonly message: string | null
}

/** The services that are called meanwhile are told of the trace, and their parts hang below it. */
export async function traced<T extends Ended>(
  name: string,
  note: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  const settings = settingsOf(process.env)
  if (!settings) return work()
  const { CLIENT, Tracer } = await import('../tracing/tracer.ts')
  const warn = (_: unknown, message: string) => note(message)
  const clock = { now: () => new Date() }
  const tracer = new Tracer({ clock, log: { warn: warn as never }, settings })
  const span = tracer.begin({ name, kind: CLIENT })
  try {
    const ended = await (span ? within(span, work) : work())
    const { guid, result, message } = ended
    span?.end({ 'fdo.guid': guid, 'fdo.outcome': result }, message ?? undefined)
    return ended
  } finally {
    await tracer.stop()
  }
}

function settingsOf(environment: NodeJS.ProcessEnv): TracingSettings | undefined {
  try {
    return tracingFrom(environment)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new CliFailure('failed', message, { code: 'configuration', cause })
  }
}
