/** TO2, the Owner's side, 66 to 69: what either side takes, then the modules' conversation. */
import type { HMac } from '../../crypto/hash.ts'
import { FdoError } from '../../errors.ts'
import { NEW_OWNER_SESSION, answerDeviceServiceInfo } from '../../service-info/owner-session.ts'
import { announcedLimit } from '../../service-info/service-info.ts'
import {
  type DeviceServiceInfo,
  type DeviceServiceInfoReady,
  OwnerServiceInfo,
  OwnerServiceInfoReady,
} from '../messages.ts'
import { insideOf } from '../tunnel.ts'
import { messageLimitOf } from './prove-voucher.ts'
import type {
  DoneExpected,
  OwnerInnerStep,
  ReadyExpected,
  ServiceInfoExpected,
  To2OwnerContext,
} from './state.ts'

/** More than the tunnel of any suite adds to a message. */
const TUNNEL_BYTES = 128

export async function deviceServiceInfoReady(
  state: ReadyExpected,
  ready: DeviceServiceInfoReady,
  { limits }: To2OwnerContext,
): OwnerInnerStep {
  const { replacementHMac, maxOwnerServiceInfoSz } = ready
  checkReplacement(state, replacementHMac)
  const { tunnel, run, nonceTO2SetupDv, replacementHeader, maxDeviceMessageSize } = state
  return {
    next: {
      expects: 'TO2.DeviceServiceInfo',
      tunnel,
      run,
      nonceTO2SetupDv,
      replacementHeader,
      replacementHMac,
      sendLimit: sendLimitOf(maxOwnerServiceInfoSz, maxDeviceMessageSize),
      session: NEW_OWNER_SESSION,
    },
    reply: insideOf(OwnerServiceInfoReady, {
      maxDeviceServiceInfoSz: limits.maxDeviceServiceInfoSz,
    }),
    effects: [],
  }
}

/**
 * Divergence: go-fdo takes null for consent to a reuse that nobody offered, and is left with a
 * voucher that is not true of the Device.
 */
function checkReplacement(state: ReadyExpected, replacementHMac: HMac | null): void {
  if (state.replacementHeader && !replacementHMac) {
    throw refused('no ReplacementHMac for the new credential')
  }
  if (!state.replacementHeader && replacementHMac) {
    throw refused('a ReplacementHMac, though the credential is to be reused')
  }
}

/** ServiceInfo as long as the Device takes it, in a message as long as it takes that. */
function sendLimitOf(maxOwnerServiceInfoSz: number | null, maxDeviceMessageSize: number): number {
  const inMessage = messageLimitOf(maxDeviceMessageSize) ?? Number.MAX_SAFE_INTEGER
  return Math.min(announcedLimit(maxOwnerServiceInfoSz), inMessage - TUNNEL_BYTES)
}

/** Before IsDone and after it: devices may have something left to say. */
export async function deviceServiceInfo(
  state: ServiceInfoExpected | DoneExpected,
  message: DeviceServiceInfo,
  context: To2OwnerContext,
): OwnerInnerStep {
  const { run, sendLimit } = state
  const { session, reply, effects, holdMs } = await answerDeviceServiceInfo(
    state.session,
    message,
    {
      ...context.serviceInfoFor(run),
      sendLimit,
      receiveLimit: announcedLimit(context.limits.maxDeviceServiceInfoSz),
    },
  )
  return {
    next: session.isDone
      ? { ...state, expects: 'TO2.Done', session }
      : { ...state, expects: 'TO2.DeviceServiceInfo', session },
    reply: insideOf(OwnerServiceInfo, reply),
    effects: effects.map((effect) => ({ type: 'service-info', run, effect })),
    holdMs,
  }
}

function refused(reason: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `TO2.DeviceServiceInfoReady: ${reason}`)
}
