/** The header by which traces go on from one service to the next (W3C Trace Context, level 1). */

export interface SpanContext {
  /** 32 and 16 lower-case hexadecimal digits, not all zero. */
  readonly traceId: string
  readonly spanId: string
  /** Whether whoever began the trace records it. */
  readonly isSampled: boolean
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Undefined for what is none: the trace then begins here. */
export function parseTraceparent(header: string | undefined): SpanContext | undefined {
  const [, version, traceId, spanId, flags = '', more] = TRACEPARENT.exec(header ?? '') ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined))
    return undefined
  if (traceId === undefined || spanId === undefined || isZero(traceId) || isZero(spanId))
    return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export function traceparentOf({ traceId, spanId, isSampled }: SpanContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`
}

function isZero(hex: string): boolean {
  return /^0+$/.test(hex)
}
