/** Bytes that are no key we can use; the message says why, to whoever sent them. */
export class KeyRefused extends Error {
  override readonly name = 'KeyRefused'
}
