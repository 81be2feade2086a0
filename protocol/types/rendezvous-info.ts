/** RendezvousInfo: where a Device finds its Owner. FDO 1.1, "RendezvousInfo". */
import type { Bytes } from '../bytes.ts'
import {
  type Kept,
  type Schema,
  bytes,
  isNull,
  keep,
  listOf,
  mismatch,
  uint8,
} from '../cbor/schema.ts'
import { Major } from '../cbor/scan.ts'

/** The variables of a directive, by their number on the wire. */
export const RVVariable = {
  DevOnly: 0,
  OwnerOnly: 1,
  IPAddress: 2,
  DevPort: 3,
  OwnerPort: 4,
  Dns: 5,
  SvCertHash: 6,
  ClCertHash: 7,
  UserInput: 8,
  WifiSsid: 9,
  WifiPw: 10,
  Medium: 11,
  Protocol: 12,
  Delaysec: 13,
  Bypass: 14,
  ExtRV: 15,
} as const

/**
 * `RendezvousInstr = [RVVariable: uint8, ? RVValue: bstr .cbor any]`.
 *
 * What the value holds is looked at when a plan is made of it: a directive with a bad value is
 * skipped, it does not spoil the others.
 */
export interface RendezvousInstr {
  readonly variable: number
  /** The content of the byte string; absent for a flag. */
  readonly value?: Bytes
}

/** Written `[v]` or `[v, bstr]`; some peers write `[v, null]` for a flag. */
const RendezvousInstr: Schema<RendezvousInstr> = {
  parse(item, path) {
    const [variableItem, valueItem] = item.items
    if (item.major !== Major.ARRAY || !variableItem || item.items.length > 2) {
      return mismatch(path, 'an array of 1 or 2')
    }
    const variable = uint8.parse(variableItem, `${path}.RVVariable`)
    if (!valueItem || isNull(valueItem)) return { variable }
    return { variable, value: bytes().parse(valueItem, `${path}.RVValue`) }
  },
  build: ({ variable, value }) => (value ? [variable, value] : [variable]),
}

/** `RendezvousDirective = [+ RendezvousInstr]`: one way to go about it. */
export type RendezvousDirective = readonly RendezvousInstr[]
const RendezvousDirective: Schema<RendezvousDirective> = listOf(RendezvousInstr)

/** `RendezvousInfo = [+ RendezvousDirective]`, tried in order. */
export type RendezvousInfo = readonly RendezvousDirective[]
export const RendezvousInfo: Schema<RendezvousInfo> = listOf(RendezvousDirective, 1)

/** Reads an empty one too, so that checking a voucher can say what is wrong with it. */
export const RendezvousInfoOrEmpty: Schema<RendezvousInfo> = listOf(RendezvousDirective)

/** Whether it gives a Device nothing at all to go by. */
export function isEmptyRendezvousInfo(info: RendezvousInfo): boolean {
  return info.every((directive) => directive.length === 0)
}

export function keepRendezvousInfo(info: RendezvousInfo): Kept<RendezvousInfo> {
  return keep(RendezvousInfo, info)
}
