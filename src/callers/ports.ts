/** What callers are looked up with. */

/** Calls to addresses that others named: see src/outbound. */
export interface Outgoing {
  request(
    url: string,
    options: {
      readonly headers: Readonly<Record<string, string>>
      readonly timeoutMs: number
      readonly maxBytes: number
    },
  ): Promise<{ readonly status: number; readonly body: Uint8Array }>
}

/** Whether anybody may act for a party now. */
export interface ActiveParties {
  isActive(party: string): Promise<boolean>
}
