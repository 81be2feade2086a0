/**
 * How long a service that stops waits for clients that are between two messages: devices think, and on
 * a connection that is cut meanwhile some lose the next.
 */
export const GENTLE_MS = 2_000
