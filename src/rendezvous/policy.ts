/** Who may register here, for how long, and how often anybody may ask: changed while running. */
import type { Bytes } from '../../protocol/bytes.ts'
import { FdoError } from '../../protocol/errors.ts'
import { parseCertificate } from '../../protocol/x509/certificate.ts'
import { fromPem } from '../../protocol/x509/pem.ts'
import type { Rate } from '../http/rate-limit.ts'
import { Setting, type SettingServices } from '../settings/setting.ts'

/** As it is stored, and as the API shows it; view.ts says what is in it. */
export interface PolicyDocument {
  readonly anyone: boolean
  readonly allow: KeyLists
  readonly deny: KeyLists & { readonly guids: readonly string[] }
  readonly waits: { readonly listed: WaitDocument; readonly others: WaitDocument }
  readonly limits: { readonly source: RateDocument; readonly guid: RateDocument }
}

interface KeyLists {
  readonly owner_keys: readonly string[]
  readonly manufacturer_keys: readonly string[]
  readonly device_cas: readonly string[]
}

interface WaitDocument {
  readonly default_seconds: number
  readonly most_seconds: number
}

interface RateDocument {
  readonly per_second: number
  readonly burst: number
}

export interface RendezvousPolicy {
  /** Any owner of a device whose CA is trusted. */
  readonly anyone: boolean
  readonly allow: Lists
  readonly deny: Lists & { readonly guids: ReadonlySet<string> }
  readonly waits: { readonly listed: Waits; readonly others: Waits }
  readonly limits: { readonly source: Rate; readonly guid: Rate }
}

interface Lists {
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly owners: ReadonlySet<string>
  readonly manufacturers: ReadonlySet<string>
  /** DER certificates. */
  readonly deviceCas: readonly Bytes[]
}

export interface Waits {
  /** For an owner that asks for no time in particular. */
  readonly defaultSeconds: number
  /** Longer than this nothing is kept without word from its owner. */
  readonly mostSeconds: number
}

const NONE: KeyLists = { owner_keys: [], manufacturer_keys: [], device_cas: [] }
const WAITS: WaitDocument = { default_seconds: 3_600, most_seconds: 30 * 86_400 }

/** Thousands of devices may stand behind one address, and an owner renews what it has in bulk. */
const DEFAULT: PolicyDocument = {
  anyone: true,
  allow: NONE,
  deny: { ...NONE, guids: [] },
  waits: { listed: WAITS, others: WAITS },
  limits: {
    source: { per_second: 1_000, burst: 20_000 },
    guid: { per_second: 2, burst: 200 },
  },
}

export function rendezvousPolicySetting(services: SettingServices): Setting<RendezvousPolicy> {
  return new Setting(services, {
    name: 'rendezvous-policy',
    changed: 'rendezvous-policy-changed',
    // What is stored has been read by PolicyView.
    parse: (json) => policyOf(json as PolicyDocument),
    fallback: () => DEFAULT,
  })
}

/** Throws MESSAGE_BODY_ERROR for what reads well, and makes no sense. */
function policyOf({ anyone, allow, deny, waits, limits }: PolicyDocument): RendezvousPolicy {
  return {
    anyone,
    allow: listsOf('allow', allow),
    deny: { ...listsOf('deny', deny), guids: new Set(deny.guids) },
    waits: { listed: waitsOf('listed', waits.listed), others: waitsOf('others', waits.others) },
    limits: { source: rateOf(limits.source), guid: rateOf(limits.guid) },
  }
}

function listsOf(name: string, lists: KeyLists): Lists {
  return {
    owners: new Set(lists.owner_keys),
    manufacturers: new Set(lists.manufacturer_keys),
    deviceCas: lists.device_cas.map((pem, i) => certificateOf(pem, `${name}.device_cas[${i}]`)),
  }
}

function certificateOf(pem: string, name: string): Bytes {
  const [der, more] = fromPem(pem) ?? []
  if (!der || more) throw wrong(`${name}: not one certificate in PEM`)
  try {
    parseCertificate(der)
    return der
  } catch (cause) {
    if (!(cause instanceof FdoError)) throw cause
    throw wrong(`${name}: ${cause.message}`, cause)
  }
}

function waitsOf(name: string, { default_seconds, most_seconds }: WaitDocument): Waits {
  if (default_seconds > most_seconds) {
    throw wrong(`waits.${name}: default_seconds is more than most_seconds`)
  }
  return { defaultSeconds: default_seconds, mostSeconds: most_seconds }
}

function rateOf({ per_second: perSecond, burst }: RateDocument): Rate {
  return { perSecond, burst }
}

function wrong(what: string, cause?: unknown): FdoError {
  return new FdoError('MESSAGE_BODY_ERROR', what, { cause })
}
