/** fdo.csr, the owner's side: answers what the device asks, until it has its certificate. */
import { type Bytes, toBase64 } from '../../bytes.ts'
import type { CborValue } from '../../cbor/cbor.ts'
import type { Item } from '../../cbor/scan.ts'
import {
  type Infer,
  anyItem,
  bool,
  listOf,
  nullable,
  text,
  tuple,
  uint,
} from '../../cbor/schema.ts'
import { FdoError } from '../../errors.ts'
import {
  CsrError,
  CsrRefusal,
  DONE,
  type ModuleStatus,
  type OwnerEffect,
  type OwnerModuleContext,
  type Received,
  type Spoken,
  failed,
  ownerModule,
  unavailable,
} from '../../service-info/module.ts'
import { buildCertsOnly } from '../../x509/certs-only.ts'
import { misuse } from '../refusal.ts'
import {
  CERTS_ONLY,
  CSR,
  CaCertsRequest,
  CsrAttrsRequest,
  DerText,
  SINGLE_CERTIFICATE,
  buildKeyAndCertificates,
} from './messages.ts'

/** Empty rounds until a device that has the module but asks nothing, as Java's, is given up. */
const PATIENCE = 6
/** And after the certificate, for one that has not asked for the CA's yet. */
const PATIENCE_AFTER = 1
const MAX_REQUESTS = 16

const Answer = tuple({ message: text, value: anyItem })

const State = tuple({
  answers: listOf(Answer),
  requests: uint(),
  hasCertificate: bool,
  hasCaCertificates: bool,
  refusal: nullable(text),
})
type State = Infer<typeof State>

/** What one request gets, and what it changes. */
interface Outcome {
  readonly message: string
  readonly value: CborValue
  readonly change?: Partial<State>
  readonly effects?: readonly OwnerEffect[]
}

export const csrOwner = ownerModule({
  name: CSR,
  overlaps: true,
  task: tuple({}),
  state: State,

  start: () => ({
    state: {
      answers: [],
      requests: 0,
      hasCertificate: false,
      hasCaCertificates: false,
      refusal: null,
    },
  }),

  async receive(state, message, value, context): Promise<Received<State>> {
    const request = REQUESTS[message]
    if (!request) throw misuse(`${CSR}:${message} from a device`)
    const requests = state.requests + 1
    if (requests > MAX_REQUESTS) throw misuse(`${CSR}: more than ${MAX_REQUESTS} requests`)
    const { change, effects, ...answer } = await outcomeOf(() =>
      request(value, `${CSR}:${message}`, context),
    )
    const answers = [...state.answers, { message: answer.message, value: answer.value }]
    return { state: { ...state, requests, ...change, answers }, effects: effects ?? [] }
  },

  speak(state, outbox): Spoken<State> {
    for (const { message, value } of state.answers) outbox.send(message, value)
    return { state: { ...state, answers: [] }, status: statusOf(state) }
  },
})

function statusOf({ hasCertificate, hasCaCertificates, requests, refusal }: State): ModuleStatus {
  if (hasCertificate && hasCaCertificates) return DONE
  if (hasCertificate) return { type: 'waiting', patience: PATIENCE_AFTER, silence: DONE }
  const silence =
    requests === 0
      ? unavailable('the device asked for nothing')
      : failed(refusal ?? 'the device asked for no certificate')
  return { type: 'waiting', patience: PATIENCE, silence }
}

type Request = (value: Item, path: string, context: OwnerModuleContext) => Promise<Outcome>

const REQUESTS: Readonly<Record<string, Request | undefined>> = {
  async 'cacerts-req'(value, path, { credentials }) {
    const format = CaCertsRequest.parse(value, path)
    const certificates = await credentials.caCertificates()
    const message = 'cacerts-res'
    const change = { hasCaCertificates: true }
    if (format === CERTS_ONLY) return { message, value: bundleText(certificates), change }
    const [only, ...others] = certificates
    if (format === SINGLE_CERTIFICATE && only && others.length === 0) {
      return { message, value: toBase64(only), change }
    }
    throw new CsrRefusal('UNSUPPORTED_FORMAT', `CA certificates in format ${format}`)
  },
  'simpleenroll-req': (value, path, context) => enroll(value, path, context, false),
  'simplereenroll-req': (value, path, context) => enroll(value, path, context, true),
  async 'serverkeygen-req'(value, path, { credentials }) {
    // What is in the request is a hint at best; the certificate names the device that asks.
    DerText.parse(value, path)
    const { pkcs8, certificate, intermediates } = await credentials.generate()
    const certificates = buildCertsOnly([certificate, ...intermediates])
    const body = buildKeyAndCertificates(pkcs8, certificates)
    return { message: 'serverkeygen-res', value: body, ...issued(certificate) }
  },
  async 'csrattrs-req'(value, path, { credentials }) {
    CsrAttrsRequest.parse(value, path)
    const attributes = await credentials.csrAttributes?.()
    if (!attributes) throw new CsrRefusal('NOT_SUPPORTED', 'no attributes are asked for')
    return { message: 'csrattrs-res', value: toBase64(attributes) }
  },
}

async function enroll(
  value: Item,
  path: string,
  { credentials }: OwnerModuleContext,
  renewal: boolean,
): Promise<Outcome> {
  const { certificate } = await credentials.sign(DerText.parse(value, path), renewal)
  const message = renewal ? 'simplereenroll-res' : 'simpleenroll-res'
  return { message, value: toBase64(certificate), ...issued(certificate) }
}

function issued(certificate: Bytes): Pick<Outcome, 'change' | 'effects'> {
  return {
    change: { hasCertificate: true },
    effects: [{ type: 'certificate-issued', certificate, module: CSR }],
  }
}

/** A refusal, or a request that cannot be read, is answered: the device may try again. */
async function outcomeOf(work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof CsrRefusal) && !isUnreadable(error)) throw error
    const code = error instanceof CsrRefusal ? error.code : 'BAD_REQUEST'
    return { message: 'error', value: CsrError[code], change: { refusal: error.message } }
  }
}

function isUnreadable(error: unknown): error is FdoError {
  return (
    error instanceof FdoError &&
    (error.code === 'MESSAGE_BODY_ERROR' || error.code === 'INVALID_MESSAGE_ERROR')
  )
}

/** Built once for as long as the issuer hands out the same list. */
const bundleTexts = new WeakMap<readonly Bytes[], string>()

function bundleText(certificates: readonly Bytes[]): string {
  const known = bundleTexts.get(certificates)
  if (known !== undefined) return known
  const built = toBase64(buildCertsOnly(certificates))
  bundleTexts.set(certificates, built)
  return built
}
