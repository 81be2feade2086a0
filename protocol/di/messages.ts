/**
 * DI: a Device on the factory floor gets the identity it is sold with, and the Manufacturer makes
 * its Ownership Voucher. FDO 1.1, "Device Initialize Protocol (DI)". The CDDL quoted is the spec's.
 */
import { bytes, nullable, tuple, wrapped } from '../cbor/schema.ts'
import { HMac } from '../crypto/hash.ts'
import { type BodyOf, messageType } from '../message.ts'
import { OVHeader } from '../voucher/voucher.ts'

/**
 * DI.AppStart, Type 10, Device → Manufacturer. Divergence: go-fdo sends `[null]` for a Device that
 * has nothing to tell.
 *
 *     DI.AppStart = [DeviceMfgInfo]    DeviceMfgInfo = bstr .cbor any  ;; see device-mfg-info.ts
 */
export const AppStart = messageType(10, 'DI.AppStart', tuple({ deviceMfgInfo: nullable(bytes()) }))
export type AppStart = BodyOf<typeof AppStart>

/**
 * DI.SetCredentials, Type 11, Manufacturer → Device.
 *
 *     DI.SetCredentials = [OVHeader]    OVHeader in a bstr
 */
export const SetCredentials = messageType(
  11,
  'DI.SetCredentials',
  tuple({ header: wrapped(OVHeader) }),
)
export type SetCredentials = BodyOf<typeof SetCredentials>

/**
 * DI.SetHMAC, Type 12, Device → Manufacturer: over the content of the bstr in Type 11.
 *
 *     DI.SetHMAC = [HMac]
 */
export const SetHMAC = messageType(12, 'DI.SetHMAC', tuple({ hmac: HMac }))
export type SetHMAC = BodyOf<typeof SetHMAC>

/**
 * DI.Done, Type 13, Manufacturer → Device.
 *
 *     DI.Done = []
 */
export const Done = messageType(13, 'DI.Done', tuple({}))
export type Done = BodyOf<typeof Done>
