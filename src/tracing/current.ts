/** The span under way, for whoever calls another service meanwhile. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type SpanContext, traceparentOf } from './traceparent.ts'

const current = new AsyncLocalStorage<SpanContext>()

export function within<T>(span: SpanContext, work: () => T): T {
  return current.run(span, work)
}

/** The value of the header; undefined where nothing is traced. */
export function currentTraceparent(): string | undefined {
  const span = current.getStore()
  return span && traceparentOf(span)
}
