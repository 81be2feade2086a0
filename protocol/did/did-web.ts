/** did:web ↔ the address its document is served at. W3C CCG, "did:web Method Specification". */
import { FdoError } from '../errors.ts'

const PREFIX = 'did:web:'
const LONGEST = 1024
/** A host name or an IPv4 address, a port behind an escaped colon. */
const HOST = /^([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?:%3A(\d{1,5}))?$/i
const SEGMENT = /^[\w~-][\w.~-]*$/
const WELL_KNOWN = ['.well-known']

/** `base` is the service's own address, without a path; `segments` are what comes behind it. */
export function didWebOf(base: string, segments: readonly string[]): string {
  const [, host = '', port] = /^https?:\/\/([^/:]+)(?::(\d+))?\/?$/.exec(base) ?? []
  const did = [`${PREFIX}${host}${port === undefined ? '' : `%3A${port}`}`, ...segments].join(':')
  documentUrlOf(did)
  return did
}

/** Where the document of this DID is to be found. Throws MESSAGE_BODY_ERROR for no did:web. */
export function documentUrlOf(did: string, scheme: 'https' | 'http' = 'https'): string {
  const [hostAndPort = '', ...segments] = did.slice(PREFIX.length).split(':')
  const [, host, port] = HOST.exec(hostAndPort) ?? []
  if (!did.startsWith(PREFIX) || did.length > LONGEST || host === undefined) {
    throw malformed('expected did:web:host or did:web:host:path')
  }
  if (!segments.every((segment) => SEGMENT.test(segment))) throw malformed('a path it cannot have')
  const path = (segments.length > 0 ? segments : WELL_KNOWN).join('/')
  return `${scheme}://${host}${port === undefined ? '' : `:${port}`}/${path}/did.json`
}

function malformed(what: string): FdoError {
  return new FdoError('MESSAGE_BODY_ERROR', `did:web: ${what}`)
}
