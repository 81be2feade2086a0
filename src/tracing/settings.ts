/** Where traces go, by the variables that OpenTelemetry has for that. */

export interface TracingSettings {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly serviceName: string
  /** Of the traces that begin here, which share is recorded. */
  readonly share: number
}

type Environment = Readonly<Record<string, string | undefined>>

/** Undefined where nothing is to be traced; throws an Error that names the variable at fault. */
export function tracingFrom(environment: Environment): TracingSettings | undefined {
  const url = urlFrom(environment)
  if (url === undefined || environment['OTEL_SDK_DISABLED']?.toLowerCase() === 'true')
    return undefined
  const protocol = environment['OTEL_EXPORTER_OTLP_PROTOCOL'] || 'http/json'
  // Whoever takes protobuf at this address takes JSON there, too.
  if (protocol === 'grpc')
    throw new Error('OTEL_EXPORTER_OTLP_PROTOCOL: http/json is spoken here, no grpc')
  return {
    url,
    headers: headersFrom(environment['OTEL_EXPORTER_OTLP_HEADERS']),
    serviceName: environment['OTEL_SERVICE_NAME'] || 'firstlight',
    share: shareFrom(environment),
  }
}

function urlFrom(environment: Environment): string | undefined {
  const exact = environment['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']
  const base = environment['OTEL_EXPORTER_OTLP_ENDPOINT']
  const url = exact || (base && `${base.replace(/\/+$/, '')}/v1/traces`)
  if (!url) return undefined
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url
  throw new Error(
    `${exact ? 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT' : 'OTEL_EXPORTER_OTLP_ENDPOINT'}: not an HTTP address`,
  )
}

/** `name=value,name=value`, percent-encoded. */
function headersFrom(text = ''): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '')
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name = '', ...value] = pair.split('=')
      if (value.length === 0)
        throw new Error('OTEL_EXPORTER_OTLP_HEADERS: not name=value,name=value')
      return [name.trim().toLowerCase(), decodeURIComponent(value.join('=').trim())]
    }),
  )
}

function shareFrom(environment: Environment): number {
  const sampler = environment['OTEL_TRACES_SAMPLER'] || 'parentbased_always_on'
  if (/^(parentbased_)?always_on$/.test(sampler)) return 1
  if (/^(parentbased_)?always_off$/.test(sampler)) return 0
  const share = Number(environment['OTEL_TRACES_SAMPLER_ARG'] ?? '1')
  if (/^(parentbased_)?traceidratio$/.test(sampler) && share >= 0 && share <= 1) return share
  throw new Error('OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG: not a sampler that is known here')
}
