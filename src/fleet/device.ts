/** One device of a fleet, its credential in memory only. */
import { randomBytes } from 'node:crypto'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'
import { type FdoTransport, converse } from '../../protocol/converse.ts'
import { DEFAULT_TYPE, X509 } from '../../protocol/crypto/public-key.ts'
import { type Signer, signerFromPkcs8 } from '../../protocol/crypto/signer.ts'
import type { DeviceCredential } from '../../protocol/credential/device-credential.ts'
import { beginDi, diDevice } from '../../protocol/di/device.ts'
import { deviceModulesFor } from '../../protocol/fsim/device-modules.ts'
import { type Target, planRendezvous } from '../../protocol/types/rendezvous-plan.ts'
import { buildCsr } from '../../protocol/x509/build-csr.ts'
import { aboutDevice } from '../simulator/about.ts'
import type { Suite } from '../simulator/keys.ts'
import { makeKey } from '../simulator/keys.ts'
import {
  type PoweredDevice,
  type Redirect,
  type Surroundings,
  askRendezvous,
  meetOwner,
} from '../simulator/onboard.ts'
import { memoryHost } from './memory-host.ts'

export interface FleetDevice {
  readonly credential: DeviceCredential
  readonly signer: Signer
  readonly serial: string
}

const MODEL = 'fleet-device'

/** DI. */
export async function makeFleetDevice(
  serial: string,
  transport: FdoTransport,
  ownerKey: KeyKind = 'p256',
): Promise<FleetDevice> {
  const signer = signerFromPkcs8(await makeKey('p256'))
  const info = {
    keyType: DEFAULT_TYPE[ownerKey],
    keyEncoding: X509,
    serial,
    deviceInfo: MODEL,
    csr: await buildCsr(signer, serial),
  } as const
  const context = { info, hmacSecret: randomBytes(32) }
  const [made] = await converse({
    role: diDevice,
    first: beginDi(context),
    context,
    transport,
    now: () => new Date(),
  })
  if (!made) throw new Error('DI ended without a credential')
  return { credential: made.credential, signer, serial }
}

/** TO1, with the first rendezvous the device knows or the one given. */
export async function redirectFleetDevice(
  device: FleetDevice,
  surroundings: Surroundings,
  rendezvous?: Target,
): Promise<Redirect> {
  if (rendezvous) return await askRendezvous(rendezvous, device, surroundings)
  const [attempt] = planRendezvous(device.credential.rvInfo.value, 'device').attempts
  const target = attempt?.targets[0]
  if (!attempt || !target) throw new Error('the rendezvous info names nobody')
  if (attempt.bypass) return { targets: attempt.targets }
  return await askRendezvous(target, device, surroundings)
}

/** TO2, at the owner the redirect names or the one given. */
export async function onboardFleetDevice(
  device: FleetDevice,
  redirect: Redirect,
  suite: Suite,
  surroundings: Surroundings,
  owner?: Target,
): Promise<void> {
  const powered: PoweredDevice = {
    credential: device.credential,
    signer: device.signer,
    about: aboutDevice(MODEL, device.serial),
    modules: () => deviceModulesFor(memoryHost()),
    ...suite,
    acceptsReuse: true,
  }
  await meetOwner(owner ? { ...redirect, targets: [owner] } : redirect, powered, surroundings)
}
