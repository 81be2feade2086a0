/**
 * RendezvousInfo as people, configuration files and the management API write it:
 * `[{"dns": "rv.example", "dev_port": 8080, "owner_port": 8080, "protocol": "http"}]`.
 */
import { type Bytes, fromHex, toHex } from '../bytes.ts'
import { decode } from '../cbor/cbor.ts'
import {
  type Kept,
  type Schema,
  bool,
  decodeAs,
  encodeAs,
  mismatch,
  text,
  uint16,
  uint32,
  uint8,
} from '../cbor/schema.ts'
import { Hash, SHA256, SHA384 } from '../crypto/hash.ts'
import { FdoError } from '../errors.ts'
import { IpAddress, formatIp, parseIp } from './ip-address.ts'
import {
  RVVariable,
  type RendezvousDirective,
  type RendezvousInfo,
  type RendezvousInstr,
  keepRendezvousInfo,
} from './rendezvous-info.ts'

/** The values of RVProtocol, by their number on the wire. */
const PROTOCOLS = ['rest', 'http', 'https', 'tcp', 'tls', 'coap-tcp', 'coap-udp'] as const
export type RvProtocol = (typeof PROTOCOLS)[number]

/** One directive. Flags are true or absent. */
export interface DirectiveText {
  /** For the Device only: an Owner does not register there. */
  readonly dev_only?: true
  /** For the Owner only. */
  readonly owner_only?: true
  readonly ip?: string
  readonly dev_port?: number
  readonly owner_port?: number
  readonly dns?: string
  /** `sha256:…` or `sha384:…`, of the TLS server's certificate. */
  readonly sv_cert_hash?: string
  /** The same, of the certificate authority above it. */
  readonly cl_cert_hash?: string
  readonly user_input?: true
  readonly wifi_ssid?: string
  readonly wifi_pw?: string
  /** 0–9 Ethernet, 10–19 Wi-Fi, 20 any Ethernet, 21 any Wi-Fi. */
  readonly medium?: number
  readonly protocol?: RvProtocol
  /** How long to wait after this directive failed. */
  readonly delay_seconds?: number
  /** The address is the Owner's own: TO1 is skipped. */
  readonly bypass?: true
  /** The CBOR of `[mechanism: tstr, * any]`, in hexadecimal. */
  readonly ext_rv?: string
  /** Set when read from a voucher, for a directive nobody can follow: why not. */
  readonly invalid?: string
}

type Scalar = string | number | boolean

/** A variable: its number, its name in text, and its value; a flag has none on the wire. */
interface Variable {
  readonly id: number
  readonly name: keyof DirectiveText
  readonly value: Schema<Scalar>
  readonly isFlag?: true
}

const VARIABLES: readonly Variable[] = [
  { id: RVVariable.DevOnly, name: 'dev_only', value: scalar(bool), isFlag: true },
  { id: RVVariable.OwnerOnly, name: 'owner_only', value: scalar(bool), isFlag: true },
  { id: RVVariable.IPAddress, name: 'ip', value: textual(IpAddress, formatIp, parseIp) },
  { id: RVVariable.DevPort, name: 'dev_port', value: scalar(uint16) },
  { id: RVVariable.OwnerPort, name: 'owner_port', value: scalar(uint16) },
  { id: RVVariable.Dns, name: 'dns', value: scalar(text) },
  { id: RVVariable.SvCertHash, name: 'sv_cert_hash', value: textual(Hash, formatHash, parseHash) },
  { id: RVVariable.ClCertHash, name: 'cl_cert_hash', value: textual(Hash, formatHash, parseHash) },
  { id: RVVariable.UserInput, name: 'user_input', value: scalar(bool) },
  { id: RVVariable.WifiSsid, name: 'wifi_ssid', value: scalar(text) },
  { id: RVVariable.WifiPw, name: 'wifi_pw', value: scalar(text) },
  { id: RVVariable.Medium, name: 'medium', value: scalar(uint8) },
  {
    id: RVVariable.Protocol,
    name: 'protocol',
    value: textual(
      uint8,
      (id) => PROTOCOLS[id],
      (name) => wireNumber(PROTOCOLS.indexOf(name as RvProtocol)),
    ),
  },
  { id: RVVariable.Delaysec, name: 'delay_seconds', value: scalar(uint32) },
  { id: RVVariable.Bypass, name: 'bypass', value: scalar(bool), isFlag: true },
  { id: RVVariable.ExtRV, name: 'ext_rv', value: hexadecimal() },
]

const byId = new Map(VARIABLES.map((variable) => [variable.id, variable]))
const byName = new Map<string, Variable>(VARIABLES.map((variable) => [variable.name, variable]))

/**
 * Gives a directive's variables their names. Unknown variables are passed over; throws
 * MESSAGE_BODY_ERROR for one that is there twice or whose value is not what it should be.
 */
export function readDirective(directive: RendezvousDirective): DirectiveText {
  const named: Record<string, Scalar> = {}
  const seen = new Set<number>()
  for (const instr of directive) {
    if (seen.has(instr.variable)) mismatch(`variable ${instr.variable}`, 'to be there once')
    seen.add(instr.variable)
    const variable = byId.get(instr.variable)
    const value = variable && readValue(variable, instr)
    if (value !== undefined && value !== false) named[variable?.name ?? ''] = value
  }
  return named
}

function readValue({ name, value, isFlag }: Variable, instr: RendezvousInstr): Scalar {
  // A flag counts by being there, whatever it carries, save an explicit false. RVUserInput is a
  // flag to some peers and a boolean to others.
  if (!instr.value) return isFlag || name === 'user_input' ? true : mismatch(name, 'a value')
  if (isFlag) return !(instr.value.length === 1 && instr.value[0] === 0xf4)
  return decodeAs(value, instr.value, name)
}

/** For showing; never throws: a directive that cannot be read says why. */
export function describeRendezvousInfo(info: RendezvousInfo): readonly DirectiveText[] {
  return info.map((directive) => {
    try {
      return readDirective(directive)
    } catch (error) {
      if (error instanceof FdoError) return { invalid: error.message }
      throw error
    }
  })
}

/** From parsed JSON; throws MESSAGE_BODY_ERROR naming what is wrong with it. */
export function rendezvousInfoFromText(json: unknown): Kept<RendezvousInfo> {
  if (!Array.isArray(json) || json.length === 0) {
    return mismatch('rendezvous info', 'a list of at least one directive')
  }
  return keepRendezvousInfo(json.map((one, i) => directiveFrom(one, `rendezvous info [${i}]`)))
}

function directiveFrom(json: unknown, path: string): RendezvousDirective {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return mismatch(path, 'an object')
  }
  const given = new Map<string, unknown>(Object.entries(json))
  for (const name of given.keys()) {
    if (!byName.has(name)) mismatch(`${path}.${name}`, 'no such name')
  }
  if (!given.has('dns') && !given.has('ip') && !given.has('ext_rv')) mismatch(path, 'dns or ip')
  return VARIABLES.flatMap((variable) => {
    const value = given.get(variable.name)
    if (value === undefined || value === false) return []
    return [instrFrom(variable, value, `${path}.${variable.name}`)]
  })
}

function instrFrom({ id, value, isFlag }: Variable, given: unknown, path: string): RendezvousInstr {
  if (!isScalar(given)) return mismatch(path, 'text, a number or true')
  const encoded = encodeScalar(value, given, path)
  // What was written is read again: the schemas check ranges when they read.
  decodeAs(value, encoded, path)
  return isFlag ? { variable: id } : { variable: id, value: encoded }
}

function encodeScalar(schema: Schema<Scalar>, given: Scalar, path: string): Bytes {
  try {
    return encodeAs(schema, given)
  } catch (cause) {
    throw new FdoError('MESSAGE_BODY_ERROR', `${path}: not a value it can have`, { cause })
  }
}

function isScalar(value: unknown): value is Scalar {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

function scalar<T extends Scalar>(schema: Schema<T>): Schema<Scalar> {
  return { parse: schema.parse, build: (value) => value }
}

/** A value that people write as text; `format` or `parse` give undefined for what is none. */
function textual<T>(
  schema: Schema<T>,
  format: (value: T) => string | undefined,
  parse: (text: string) => T | undefined,
): Schema<Scalar> {
  return {
    parse: (item, path) => format(schema.parse(item, path)) ?? mismatch(path, 'a known value'),
    build(value) {
      const parsed = parse(String(value))
      if (parsed === undefined) throw new TypeError(`not one that can be written: ${value}`)
      return schema.build(parsed)
    },
  }
}

function wireNumber(index: number): number | undefined {
  return index < 0 ? undefined : index
}

function formatHash({ type, value }: Hash): string {
  return `${type === SHA384 ? 'sha384' : 'sha256'}:${toHex(value)}`
}

function parseHash(written: string): Hash | undefined {
  const [, name, digest] = /^(sha256|sha384):([0-9a-f]+)$/i.exec(written) ?? []
  if (!name || !digest || digest.length % 2 !== 0) return undefined
  return { type: name.toLowerCase() === 'sha384' ? SHA384 : SHA256, value: fromHex(digest) }
}

/** Any item, as the hexadecimal digits of its deterministic encoding. */
function hexadecimal(): Schema<Scalar> {
  return {
    parse: (item) => toHex(item.source.subarray(item.start, item.end)),
    build: (value) => decode(fromHex(String(value))),
  }
}
