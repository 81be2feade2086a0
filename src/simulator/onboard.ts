/** The device's power-up: it looks for its owner (TO1), and both prove themselves (TO2). */
import { randomBytes } from 'node:crypto'
import type { Kept } from '../../protocol/cbor/schema.ts'
import { type FdoTransport, converse } from '../../protocol/converse.ts'
import { Sign1 } from '../../protocol/cose/sign1.ts'
import { decodeAs } from '../../protocol/cbor/schema.ts'
import type { DeviceCredential } from '../../protocol/credential/device-credential.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { DeviceSession } from '../../protocol/service-info/device-session.ts'
import type { DeviceModules } from '../../protocol/service-info/registry.ts'
import type { AboutDevice } from '../../protocol/fsim/devmod/device.ts'
import { beginTo1, to1Device } from '../../protocol/to1/device.ts'
import { beginTo2 } from '../../protocol/to2/device/prove-voucher.ts'
import { to2Device } from '../../protocol/to2/device/role.ts'
import { keyExchange } from '../../protocol/to2/key-exchange.ts'
import type { To2DeviceEffect } from '../../protocol/to2/device/state.ts'
import {
  type RendezvousAttempt,
  type Target,
  planRendezvous,
  waitMs,
} from '../../protocol/types/rendezvous-plan.ts'
import { planTo2 } from '../../protocol/types/to2-address.ts'

export interface PoweredDevice {
  readonly credential: DeviceCredential
  readonly signer: Signer
  readonly about: AboutDevice
  /** Fresh for every TO2: a run broken off leaves nothing behind. */
  readonly modules: () => DeviceModules
  readonly kex: string
  readonly cipher: number
  readonly acceptsReuse: boolean
}

export interface Surroundings {
  readonly transportTo: (target: Target) => FdoTransport
  readonly now: () => Date
  readonly sleep: (ms: number) => Promise<void>
  readonly note: (line: string) => void
}

/** Where the owner is, and what it must be able to stand by. */
export interface Redirect {
  readonly targets: readonly Target[]
  /** Absent where the rendezvous was bypassed. */
  readonly to1d?: Kept<Sign1>
}

const MAX_MESSAGE_BYTES = 65_535
const MAX_SERVICE_INFO_BYTES = 64_000

/**
 * Goes through the rendezvous info once, as far as the first owner it succeeds with. Throws the
 * last failure if there is none, having waited as the last directive says.
 */
export async function powerUp(
  device: PoweredDevice,
  surroundings: Surroundings,
): Promise<To2DeviceEffect> {
  const { attempts, skipped } = planRendezvous(device.credential.rvInfo.value, 'device')
  for (const { index, reason } of skipped) {
    surroundings.note(`rendezvous directive ${index + 1} skipped: ${reason}`)
  }
  let failure: unknown = new Error('the rendezvous info names nobody a device could ask')
  for (const attempt of attempts) {
    try {
      return await follow(attempt, device, surroundings)
    } catch (error) {
      failure = error
    }
    await surroundings.sleep(waitMs(attempt, Math.random()))
  }
  throw failure
}

async function follow(
  attempt: RendezvousAttempt,
  device: PoweredDevice,
  surroundings: Surroundings,
): Promise<To2DeviceEffect> {
  if (attempt.bypass) return await meetOwner({ targets: attempt.targets }, device, surroundings)
  return await firstToSucceed(attempt.targets, surroundings, async (target) =>
    meetOwner(await askRendezvous(target, device, surroundings), device, surroundings),
  )
}

/** TO1. */
export async function askRendezvous(
  target: Target,
  { credential, signer }: Pick<PoweredDevice, 'credential' | 'signer'>,
  { transportTo, now }: Pick<Surroundings, 'transportTo' | 'now'>,
): Promise<Redirect> {
  const context = { guid: credential.guid, signer }
  const [redirected] = await converse({
    role: to1Device,
    first: beginTo1(context),
    context,
    transport: transportTo(target),
    now,
  })
  if (!redirected) throw new Error('TO1 ended without an address')
  const { to1d, addresses } = redirected
  return { targets: planTo2(addresses), to1d: decodeAs(Sign1, to1d, 'to1d') }
}

/** TO2 with the first of the owner's addresses that works. */
export async function meetOwner(
  { targets, to1d }: Redirect,
  device: PoweredDevice,
  surroundings: Surroundings,
): Promise<To2DeviceEffect> {
  if (targets.length === 0) throw new Error('the owner named no address a device could use')
  return await firstToSucceed(targets, surroundings, async (target) => {
    const serviceInfo = new DeviceSession(device.about, device.modules())
    const context = {
      randomBytes,
      credential: device.credential,
      signer: device.signer,
      to1d,
      keyExchange,
      kex: device.kex,
      cipher: device.cipher,
      maxDeviceMessageSize: MAX_MESSAGE_BYTES,
      maxOwnerServiceInfoSz: MAX_SERVICE_INFO_BYTES,
      acceptsReuse: device.acceptsReuse,
      entryStyle: 'either' as const,
      serviceInfo,
    }
    try {
      const [effect] = await converse({
        role: to2Device,
        first: beginTo2(context),
        context,
        transport: surroundings.transportTo(target),
        now: surroundings.now,
        wait: surroundings.sleep,
      })
      if (!effect) throw new Error('TO2 ended without a credential')
      // Before the credential is stored: a device that dies in between onboards once more.
      await serviceInfo.finish()
      return effect
    } finally {
      await serviceInfo.close()
    }
  })
}

async function firstToSucceed<T>(
  targets: readonly Target[],
  { note }: Pick<Surroundings, 'note'>,
  attempt: (target: Target) => Promise<T>,
): Promise<T> {
  let failure: unknown
  for (const target of targets) {
    try {
      return await attempt(target)
    } catch (error) {
      failure = error
      note(`${target.url}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  throw failure
}
