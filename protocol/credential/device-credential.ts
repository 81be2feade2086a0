/** What a Device keeps between DI and TO2, and from one Owner to the next. FDO 1.1, "Device Credential". */
import { type Bytes, equalBytes } from '../bytes.ts'
import { type Infer, type Kept, bool, bytes, kept, text, tuple } from '../cbor/schema.ts'
import { type HMac, Hash, type HashType, hashOf, hmacOf, sameHash } from '../crypto/hash.ts'
import type { PublicKey } from '../crypto/public-key.ts'
import { Guid, PROT_VER, ProtVer } from '../types/base.ts'
import { RendezvousInfo } from '../types/rendezvous-info.ts'
import type { OVHeader } from '../voucher/voucher.ts'

/**
 * `DeviceCredential = [DCActive, DCProtVer, DCHmacSecret, DCDeviceInfo, DCGuid, DCRVInfo,
 * DCPubKeyHash]`. The Device's own key is kept elsewhere: it never changes.
 */
export const DeviceCredential = tuple({
  /** False once onboarded, until the Device is told to look for another Owner. */
  active: bool,
  protVer: ProtVer,
  hmacSecret: bytes(),
  deviceInfo: text,
  guid: Guid,
  rvInfo: kept(RendezvousInfo),
  /** Of the PublicKey in the header, as encoded there. */
  pubKeyHash: Hash,
})
export type DeviceCredential = Infer<typeof DeviceCredential>

/** At the end of DI: from the header that the manufacturer made. */
export function credentialFrom(
  header: OVHeader,
  hmacSecret: Bytes,
  hashType: HashType,
): DeviceCredential {
  return {
    active: true,
    protVer: PROT_VER,
    hmacSecret,
    deviceInfo: header.deviceInfo,
    guid: header.guid,
    rvInfo: header.rvInfo,
    pubKeyHash: hashOf(hashType, header.publicKey.bytes),
  }
}

/** What TO2.SetupDevice brings. */
export interface NewOwner {
  readonly guid: Guid
  readonly rvInfo: Kept<RendezvousInfo>
  readonly owner2Key: Kept<PublicKey>
}

/** At the end of TO2: the new Owner's, and at rest until it is sold again. */
export function withOwner(
  credential: DeviceCredential,
  { guid, rvInfo, owner2Key }: NewOwner,
): DeviceCredential {
  const pubKeyHash = hashOf(credential.pubKeyHash.type, owner2Key.bytes)
  return { ...credential, active: false, guid, rvInfo, pubKeyHash }
}

export type HeaderCheck = 'header-hmac' | 'guid' | 'manufacturer-key-hash'

/** Which of a Device's own checks the header of TO2.ProveOVHdr fails; undefined if none. */
export function findHeaderFlaw(
  credential: DeviceCredential,
  header: Kept<OVHeader>,
  headerHMac: HMac,
): HeaderCheck | undefined {
  const { guid, publicKey } = header.value
  const expected = hmacOf(headerHMac.type, credential.hmacSecret, header.bytes)
  if (!sameHash(expected, headerHMac)) return 'header-hmac'
  if (!equalBytes(guid, credential.guid)) return 'guid'
  const keyHash = hashOf(credential.pubKeyHash.type, publicKey.bytes)
  return sameHash(keyHash, credential.pubKeyHash) ? undefined : 'manufacturer-key-hash'
}
