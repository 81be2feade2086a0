/** devmod, the owner's side: reading what the device says it is. */
import { type Bytes, fromUtf8, toHex } from '../../bytes.ts'
import { type Item, Major } from '../../cbor/scan.ts'
import {
  type Infer,
  bool,
  bytes,
  either,
  listOf,
  mapOf,
  mismatch,
  nullable,
  text,
  tuple,
  uint,
} from '../../cbor/schema.ts'
import { FdoError } from '../../errors.ts'
import { DEVMOD, type Devmod, OPTIONAL_KEYS, REQUIRED_KEYS } from './messages.ts'

const MAX_MODULES = 1024
const MAX_TEXT_LENGTH = 1024

/** What has arrived so far. */
export const DevmodState = tuple({
  isActive: bool,
  values: mapOf(text),
  moduleCount: nullable(uint(MAX_MODULES)),
  modules: listOf(text, 0, MAX_MODULES),
})
export type DevmodState = Infer<typeof DevmodState>

export const NO_DEVMOD: DevmodState = {
  isActive: false,
  values: new Map(),
  moduleCount: null,
  modules: [],
}

/** Go writes the serial number as bytes only. */
const serialNumber = either(text, {
  parse: (item, path) => shown(bytes().parse(item, path)),
  build,
})

const TEXT_KEYS: ReadonlySet<string> = new Set([...REQUIRED_KEYS, ...OPTIONAL_KEYS])

/** One value of devmod, its module's name taken off. */
export interface DevmodValue {
  readonly message: string
  readonly value: Item
}

/** Takes in what has arrived; keys nobody knows are ignored. */
export function readDevmod(state: DevmodState, arrived: readonly DevmodValue[]): DevmodState {
  if (arrived.length === 0) return state
  let { isActive, moduleCount } = state
  const values = new Map(state.values)
  const modules = [...state.modules]
  for (const { message, value } of arrived) {
    const path = `${DEVMOD}:${message}`
    if (message === 'active') isActive = bool.parse(value, path)
    else if (message === 'nummodules') moduleCount = uint(MAX_MODULES).parse(value, path)
    else if (message === 'modules') modules.push(...parsePage(value, path))
    else if (TEXT_KEYS.has(message)) values.set(message, parseText(message, value, path))
    if (modules.length > MAX_MODULES) mismatch(path, `up to ${MAX_MODULES} modules`)
  }
  return { isActive, values, moduleCount, modules }
}

function parseText(message: string, value: Item, path: string): string {
  const read = (message === 'sn' ? serialNumber : text).parse(value, path)
  return read.length > MAX_TEXT_LENGTH
    ? mismatch(path, `up to ${MAX_TEXT_LENGTH} characters`)
    : read
}

/**
 * `[first: uint, count: uint, * name]`. Divergence: pages are taken in the order they arrive, for
 * some devices count from 1, and the Java one begins every page with 0.
 */
function parsePage(value: Item, path: string): readonly string[] {
  const [first, count, ...names] = value.items
  if (value.major !== Major.ARRAY || !first || !count) return mismatch(path, 'a page of modules')
  uint(MAX_MODULES).parse(first, path)
  if (uint(MAX_MODULES).parse(count, path) !== names.length) return mismatch(path, 'as many names')
  return names.map((name) => {
    const module = text.parse(name, path)
    return /^[^:]{1,255}$/u.test(module) ? module : mismatch(path, 'names of modules')
  })
}

/** Throws INVALID_MESSAGE_ERROR where something required never came. */
export function completeDevmod(state: DevmodState): Devmod {
  const { values, moduleCount } = state
  const modules = new Set(state.modules)
  if (!state.isActive) throw missing('active')
  if (moduleCount === null) throw missing('nummodules')
  if (state.modules.length < moduleCount) throw missing('modules')
  const required = (key: string) => {
    const value = values.get(key)
    if (value === undefined) throw missing(key)
    return value
  }
  const optional = (key: string) => values.get(key) ?? null
  return {
    os: required('os'),
    arch: required('arch'),
    version: required('version'),
    device: required('device'),
    sn: optional('sn'),
    pathsep: optional('pathsep'),
    sep: required('sep'),
    nl: optional('nl'),
    tmp: optional('tmp'),
    dir: optional('dir'),
    progenv: optional('progenv'),
    bin: required('bin'),
    mudurl: optional('mudurl'),
    modules: [...modules].filter((name) => name !== DEVMOD),
  }
}

function missing(key: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `${DEVMOD}:${key} is missing`)
}

/** Bytes that are printable text are shown as that, others in hexadecimal. */
function shown(serial: Bytes): string {
  try {
    const read = fromUtf8(serial)
    if (!/\p{Cc}/u.test(read)) return read
  } catch {
    // Not UTF-8.
  }
  return toHex(serial)
}

function build(value: string): string {
  return value
}
