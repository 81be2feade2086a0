/** What both sides of a line's order write in the same way. */
import { z } from '@hono/zod-openapi'

/** How a key is named. */
export const Fingerprint = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hexadecimal')
