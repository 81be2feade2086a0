/** How webhooks reach an address that somebody else named; src/outbound keeps watch over those. */

export interface OutboundCall {
  readonly method: 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly timeoutMs: number
  readonly maxBytes: number
  /** For whom: what one party asks for holds up no other. */
  readonly party: string
}

export interface OutboundCalls {
  /** Throws an error named OutboundFailure, fit to be shown, where this may not be called. */
  check(url: string, party: string): Promise<void>
  /** The same where there is no answer. Follows no redirect. */
  request(url: string, call: OutboundCall): Promise<{ readonly status: number }>
}

/** What whoever named the address may read; undefined for a bug. */
export function outboundFailureOf(error: unknown): string | undefined {
  return error instanceof Error && error.name === 'OutboundFailure' ? error.message : undefined
}
