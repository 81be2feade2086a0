/** A collector of traces, as OpenTelemetry's own listens: OTLP over HTTP, JSON. */
import { type IncomingHttpHeaders, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Value {
  readonly stringValue?: string
  readonly intValue?: string
}

export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly status: { readonly code?: number; readonly message?: string }
  readonly attributes: readonly { readonly key: string; readonly value: Value }[]
}

export class Collector {
  readonly spans: CollectedSpan[] = []
  readonly headers: IncomingHttpHeaders[] = []
  readonly services: string[] = []
  /** What it answers. */
  status = 200
  readonly #server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      this.headers.push({ ...request.headers, path: request.url })
      if (this.status === 200) this.#take(JSON.parse(Buffer.concat(parts).toString()))
      response.writeHead(this.status, { 'content-type': 'application/json' }).end('{}')
    })
  })

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  /** The value of an attribute. */
  said(span: CollectedSpan | undefined, key: string): string | undefined {
    const value = span?.attributes.find((one) => one.key === key)?.value
    return value?.stringValue ?? value?.intValue
  }

  #take(body: any): void {
    for (const { resource, scopeSpans } of body.resourceSpans) {
      this.services.push(resource.attributes[0].value.stringValue)
      for (const { spans } of scopeSpans) this.spans.push(...spans)
    }
  }
}
